; Functions change places, and calls and exports with them.
; draws: 1
(module
  (func $one (result i32) i32.const 1)
  (func $two (result i32) call $one i32.const 1 i32.add)
  (func (export "f") (result i32) call $two))
; ---- mutant
(module
  (type (;0;) (func (result i32)))
  (export "f" (func 1))
  (func (;0;) (type 0) (result i32)
    call 2
    i32.const 1
    i32.add
  )
  (func (;1;) (type 0) (result i32)
    call 0
  )
  (func (;2;) (type 0) (result i32)
    i32.const 1
  )
)
