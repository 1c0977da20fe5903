; Without several memories the log lies behind the module's own; what a store wrote is read back.
; settings: form=inline what=i32.store16
(module
  (memory (export "m") 1 1)
  (func (export "f") (param i32 i32)
    local.get 0
    local.get 1
    i32.store16 offset=7
    local.get 0
    i32.load
    drop))
; ---- made
(module
  (type (;0;) (func (param i32 i32)))
  (memory (;0;) 2 2)
  (global (;0;) (mut i32) (i32.const 65536))
  (export "m" (memory 0))
  (export "f" (func 0))
  (func (;0;) (type 0) (param i32 i32)
    (local i32 i32)
    local.get 0
    local.get 1
    local.set 3
    local.tee 2
    local.get 3
    i32.store16 offset=7
    global.get 0
    i32.const 1
    i32.store
    global.get 0
    local.get 2
    i32.load16_u offset=7
    i32.store offset=16 align=1
    global.get 0
    i32.const 32
    i32.add
    global.set 0
    local.get 0
    i32.load
    drop
  )
)
