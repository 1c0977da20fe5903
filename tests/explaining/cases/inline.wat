; Every result, parameter and written local is in the log, a memory of its own; results stay on the stack.
; settings: form=inline
(module
  (func (export "f") (param i32 f64) (result i32) (local i64)
    local.get 0
    i64.extend_i32_u
    local.set 2
    local.get 2
    i32.wrap_i64
    i32.const 3
    i32.add))
; ---- made
(module
  (type (;0;) (func (param i32 f64) (result i32)))
  (memory (;0;) 1 1)
  (global (;0;) (mut i32) (i32.const 0))
  (export "f" (func 0))
  (export "log" (memory 0))
  (func (;0;) (type 0) (param i32 f64) (result i32)
    (local i64 i32 i64)
    global.get 0
    i32.const 1
    i32.store
    global.get 0
    local.get 0
    i32.store offset=16 align=1
    global.get 0
    i32.const 32
    i32.add
    global.set 0
    global.get 0
    i32.const 2
    i32.store
    global.get 0
    local.get 1
    f64.store offset=16 align=1
    global.get 0
    i32.const 32
    i32.add
    global.set 0
    local.get 0
    local.tee 3
    global.get 0
    i32.const 3
    i32.store
    global.get 0
    local.get 3
    i32.store offset=16 align=1
    global.get 0
    i32.const 32
    i32.add
    global.set 0
    i64.extend_i32_u
    local.tee 4
    global.get 0
    i32.const 4
    i32.store
    global.get 0
    local.get 4
    i64.store offset=16 align=1
    global.get 0
    i32.const 32
    i32.add
    global.set 0
    local.set 2
    global.get 0
    i32.const 5
    i32.store
    global.get 0
    local.get 2
    i64.store offset=16 align=1
    global.get 0
    i32.const 32
    i32.add
    global.set 0
    local.get 2
    local.tee 4
    global.get 0
    i32.const 6
    i32.store
    global.get 0
    local.get 4
    i64.store offset=16 align=1
    global.get 0
    i32.const 32
    i32.add
    global.set 0
    i32.wrap_i64
    local.tee 3
    global.get 0
    i32.const 7
    i32.store
    global.get 0
    local.get 3
    i32.store offset=16 align=1
    global.get 0
    i32.const 32
    i32.add
    global.set 0
    i32.const 3
    local.tee 3
    global.get 0
    i32.const 8
    i32.store
    global.get 0
    local.get 3
    i32.store offset=16 align=1
    global.get 0
    i32.const 32
    i32.add
    global.set 0
    i32.add
    local.tee 3
    global.get 0
    i32.const 9
    i32.store
    global.get 0
    local.get 3
    i32.store offset=16 align=1
    global.get 0
    i32.const 32
    i32.add
    global.set 0
  )
)
