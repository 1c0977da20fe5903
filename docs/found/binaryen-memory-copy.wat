;; Binaryen 132: reading a copy between memories of different address types fails an assertion.
(module
  (memory i64 1)
  (memory 1)
  (func (export "a")
    (memory.copy 1 0 (i32.const 0) (i64.const 0) (i32.const 0))))
