; The sum that is always the same is read from a global, the other ones from memory in their order.
; settings: form=replayed what=i32.add args=i32:5
(module
  (func (export "f") (param i32) (result i32)
    (local i32)
    loop
      local.get 1
      i32.const 1
      i32.add
      local.tee 1
      i32.const 3
      i32.lt_u
      br_if 0
    end
    local.get 0
    i32.const 2
    i32.add))
; ---- made
(module
  (type (;0;) (func (param i32) (result i32)))
  (memory (;0;) 1 1)
  (global (;0;) (mut i32) (i32.const 0))
  (global (;1;) (mut i32) (i32.const 7))
  (export "f" (func 0))
  (export "log" (memory 0))
  (func (;0;) (type 0) (param i32) (result i32)
    (local i32)
    loop (;@1;)
      local.get 1
      i32.const 1
      drop
      drop
      global.get 0
      i32.load offset=16 align=1
      global.get 0
      i32.const 32
      i32.add
      global.set 0
      local.tee 1
      i32.const 3
      i32.lt_u
      br_if 0 (;@1;)
    end
    local.get 0
    i32.const 2
    drop
    drop
    global.get 1
  )
  (data (;0;) (i32.const 0) 
    "\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\02\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00"
    "\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\03\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00")
)
