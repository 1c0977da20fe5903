;; The result of the block lies on the stack, where Singlepass pushes the register of local 2 before it reads it: 42 for 7.
(module
  (memory 1)
  (func (export "a") (result i32) (local i32 i32 i32)
    (local.set 2 (i32.const 42))
    (drop (i32.atomic.rmw.or (i32.const 0) (block (result i32) (i32.const 7))))
    (i32.load (i32.const 0))))
