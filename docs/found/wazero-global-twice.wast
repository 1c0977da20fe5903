;; A global that is imported twice: what is written to one import is not seen by the other, where that was read before.
(module
  (global (export "g") (mut i32) (i32.const 1)))
(register "owner")
(module
  (import "owner" "g" (global (mut i32)))
  (import "owner" "g" (global (mut i32)))
  (func (export "a") (result i32)
    global.get 0
    drop
    i32.const 2
    global.set 1
    global.get 0))
(assert_return (invoke "a") (i32.const 2))
