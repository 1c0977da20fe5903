(module
  (type (;0;) (func))
  (type (;1;) (func (result i32)))
  (global (;0;) (mut i32) (i32.const 0))
  (export "a" (func 0))
  (export "b" (func 1))
  (func (;0;) (type 0)
    (local i32)
    i32.const 0
    i32.const 32
    i32.shl
    i32.const 1
    i32.const 0
    i32.shr_u
    i32.or
    local.set 0
    local.get 0
    global.set 0
  )
  (func (;1;) (type 1) (result i32)
    (local i32)
    global.get 0
    local.set 0
    local.get 0
  )
)
