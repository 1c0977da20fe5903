;; Stitch 0.1.0 dies where a memory grows while a function of the host is on the stack.
(module
  (import "reenter" "grow" (func $grow (result i32)))
  (memory 1)
  (func (export "grow") (result i32) (memory.grow (i32.const 1)))
  (func (export "f") (result i32) (call $grow)))
