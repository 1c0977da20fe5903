;; Four bytes at 2 are not aligned: an atomic access traps. Singlepass asks for a multiple of 2.
(module
  (memory 1)
  (func (export "a") (i64.atomic.store32 (i32.const 2) (i64.const 0))))
