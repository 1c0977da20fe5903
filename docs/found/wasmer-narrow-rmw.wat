;; The old byte is 0, and is zero-extended: Singlepass gives back the constant's upper bits with it, 256.
(module
  (memory 1)
  (func (export "a") (result i32) (i32.atomic.rmw8.xchg_u (i32.const 0) (i32.const 256))))
