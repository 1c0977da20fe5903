; Entries are written by functions; of several results each is an entry, and all stay on the stack.
; settings: form=called what=call
(module
  (func $g (result i32 i64) i32.const 1 i64.const 2)
  (func (export "f") (result i32 i64)
    call $g))
; ---- made
(module
  (type (;0;) (func (result i32 i64)))
  (type (;1;) (func (param i32 i32)))
  (type (;2;) (func (param i64 i32)))
  (memory (;0;) 1 1)
  (global (;0;) (mut i32) (i32.const 0))
  (export "f" (func 1))
  (export "log" (memory 0))
  (func $g (;0;) (type 0) (result i32 i64)
    i32.const 1
    i64.const 2
  )
  (func (;1;) (type 0) (result i32 i64)
    (local i32 i64)
    call $g
    local.set 1
    local.set 0
    local.get 0
    i32.const 1
    call 2
    local.get 1
    i32.const 2
    call 3
    local.get 0
    local.get 1
  )
  (func (;2;) (type 1) (param i32 i32)
    global.get 0
    local.get 1
    i32.store
    global.get 0
    local.get 0
    i32.store offset=16 align=1
    global.get 0
    i32.const 32
    i32.add
    global.set 0
  )
  (func (;3;) (type 2) (param i64 i32)
    global.get 0
    local.get 1
    i32.store
    global.get 0
    local.get 0
    i64.store offset=16 align=1
    global.get 0
    i32.const 32
    i32.add
    global.set 0
  )
)
