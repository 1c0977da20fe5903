; Globals whose bits a host in JavaScript cannot read are read by a module.
(module
  (global (export "a") f32 (f32.const 1))
  (global (export "b") (mut v128) (v128.const i64x2 1 2)))
; ---- reader
(module
  (type (;0;) (func))
  (import "g" "g0" (global (;0;) f32))
  (import "g" "g1" (global (;1;) (mut v128)))
  (memory (;0;) 1)
  (export "read" (func 0))
  (export "memory" (memory 0))
  (func (;0;) (type 0)
    i32.const 0
    global.get 0
    f32.store
    i32.const 0
    global.get 1
    v128.store offset=16
  )
)
