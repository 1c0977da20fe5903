; Imports for a host in JavaScript. It would lose the bits of a float, so ``mixes`` is a peer's function: it logs its
; arguments, absorbs them and makes its result. ``traps`` is the host's own. The memory and the globals come from the
; other peer, with the values that wasm.hostmix states.
(module
  (import "env" "mixes" (func (param f32 externref) (result f64)))
  (import "trap" "traps" (func (param i32)))
  (import "env" "m" (memory 1))
  (import "env" "g" (global (mut i64)))
  (import "env" "i" (global i31ref)))
; ---- peer of functions
(module
  (type (;0;) (func (param f32 externref) (result f64)))
  (type (;1;) (func (param i32)))
  (type (;2;) (func))
  (type (;3;) (func (param i64 i64) (result i64)))
  (type (;4;) (func (param i64) (result i64)))
  (import "h" "trap" (func (;0;) (type 2)))
  (table (;0;) 5 funcref)
  (memory (;0;) 1)
  (global (;0;) (mut i32) (i32.const 0))
  (global (;1;) (mut i32) (i32.const 0))
  (export "i0" (func 3))
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
  (func (;3;) (type 0) (param f32 externref) (result f64)
    (local i64 i32)
    global.get 0
    i32.const 1000
    i32.lt_u
    if (;@1;)
      global.get 1
      local.set 3
      local.get 3
      i32.const 0
      i32.store
      local.get 3
      i32.const 2
      i32.store offset=4
      local.get 3
      local.get 0
      f32.store offset=16
      local.get 3
      local.get 1
      ref.is_null
      i32.eqz
      i32.store offset=32
      local.get 3
      i32.const 48
      i32.add
      global.set 1
    end
    global.get 0
    i32.const 1
    i32.add
    global.set 0
    i64.const 3071310864443815729
    local.get 0
    i32.reinterpret_f32
    i64.extend_i32_u
    call 1
    i64.const 0
    call 1
    local.get 1
    ref.is_null
    i32.eqz
    i64.extend_i32_u
    call 1
    i64.const 0
    call 1
    local.set 2
    local.get 2
    i64.const -7046029254386353131
    i64.add
    call 2
    f64.reinterpret_i64
  )
)
; ---- peer of others
(module
  (type (;0;) (func (param f32 externref) (result f64)))
  (type (;1;) (func (param i32)))
  (memory (;0;) 1)
  (global (;0;) (mut i64) (i64.const -817465685148928871))
  (global (;1;) i31ref i32.const 517597983 ref.i31)
  (export "i2" (memory 0))
  (export "i3" (global 0))
  (export "i4" (global 1))
)
