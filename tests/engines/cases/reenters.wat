; A function that calls back goes through a table that the host fills with exports; an empty place traps. Its v128 is
; what keeps it from being the host's.
(module
  (import "reenter" "twice" (func (param v128) (result v128)))
  (func (export "twice") (param v128) (result v128) local.get 0))
; ---- peer of functions
(module
  (type (;0;) (func (param v128) (result v128)))
  (type (;1;) (func))
  (type (;2;) (func (param i64 i64) (result i64)))
  (type (;3;) (func (param i64) (result i64)))
  (import "h" "trap" (func (;0;) (type 1)))
  (table (;0;) 1 funcref)
  (memory (;0;) 1)
  (global (;0;) (mut i32) (i32.const 0))
  (global (;1;) (mut i32) (i32.const 0))
  (export "i0" (func 3))
  (export "log" (memory 0))
  (export "count" (global 0))
  (export "pos" (global 1))
  (export "reenter" (table 0))
  (func (;1;) (type 2) (param i64 i64) (result i64)
    local.get 0
    local.get 1
    i64.xor
    i64.const 29
    i64.rotl
    i64.const -6939452855193903323
    i64.mul
    i64.const -2960836687051489901
    i64.add
  )
  (func (;2;) (type 3) (param i64) (result i64)
    local.get 0
    local.get 0
    i64.const 30
    i64.shr_u
    i64.xor
    i64.const -4658895280553007687
    i64.mul
    local.set 0
    local.get 0
    local.get 0
    i64.const 27
    i64.shr_u
    i64.xor
    i64.const -7723592293110705685
    i64.mul
    local.set 0
    local.get 0
    local.get 0
    i64.const 31
    i64.shr_u
    i64.xor
  )
  (func (;3;) (type 0) (param v128) (result v128)
    (local i64 i32)
    global.get 0
    i32.const 1000
    i32.lt_u
    if (;@1;)
      global.get 1
      local.set 2
      local.get 2
      i32.const 0
      i32.store
      local.get 2
      i32.const 1
      i32.store offset=4
      local.get 2
      local.get 0
      v128.store offset=16
      local.get 2
      i32.const 32
      i32.add
      global.set 1
    end
    global.get 0
    i32.const 1
    i32.add
    global.set 0
    i32.const 0
    table.get 0
    ref.is_null
    if (;@1;)
      call 0
      unreachable
    end
    local.get 0
    i32.const 0
    call_indirect (type 0) (param v128) (result v128)
  )
)
; ---- wrapper of twice
(module
  (type (;0;) (func (param v128) (result v128)))
  (type (;1;) (func (result i32)))
  (import "m" "f" (func (;0;) (type 0) (param v128) (result v128)))
  (memory (;0;) 1)
  (export "call" (func 1))
  (export "memory" (memory 0))
  (func (;1;) (type 1) (result i32)
    (local v128)
    i32.const 0
    v128.load
    call 0
    local.set 0
    i32.const 0
    local.get 0
    v128.store offset=16
    i32.const 0
  )
)
