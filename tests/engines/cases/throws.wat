; No host throws a module's own tag, so a peer does, with a payload made like results.
(module
  (import "throw" "tag" (tag (param i32)))
  (import "throw" "it" (func (param i64))))
; ---- peer of functions
(module
  (type (;0;) (func (param i32)))
  (type (;1;) (func (param i64)))
  (type (;2;) (func))
  (type (;3;) (func (param i64 i64) (result i64)))
  (type (;4;) (func (param i64) (result i64)))
  (import "h" "trap" (func (;0;) (type 2)))
  (import "s" "i0" (tag (;0;) (type 0) (param i32)))
  (table (;0;) 2 funcref)
  (memory (;0;) 1)
  (global (;0;) (mut i32) (i32.const 0))
  (global (;1;) (mut i32) (i32.const 0))
  (export "i1" (func 3))
  (export "log" (memory 0))
  (export "count" (global 0))
  (export "pos" (global 1))
  (export "reenter" (table 0))
  (func (;1;) (type 3) (param i64 i64) (result i64)
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
  (func (;2;) (type 4) (param i64) (result i64)
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
  (func (;3;) (type 1) (param i64)
    (local i64 i32)
    global.get 0
    i32.const 1000
    i32.lt_u
    if (;@1;)
      global.get 1
      local.set 2
      local.get 2
      i32.const 1
      i32.store
      local.get 2
      i32.const 1
      i32.store offset=4
      local.get 2
      local.get 0
      i64.store offset=16
      local.get 2
      i32.const 32
      i32.add
      global.set 1
    end
    global.get 0
    i32.const 1
    i32.add
    global.set 0
    i64.const 2408300612787021469
    local.get 0
    call 1
    i64.const 0
    call 1
    local.set 1
    local.get 1
    i64.const -7046029254386353131
    i64.add
    call 2
    i32.wrap_i64
    throw 0
  )
)
; ---- peer of others
(module
  (type (;0;) (func (param i32)))
  (type (;1;) (func (param i64)))
  (tag (;0;) (type 0) (param i32))
  (export "i0" (tag 0))
)
