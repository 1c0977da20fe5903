; Places have exported globals of their own: integers, the pieces of the value, and that they were reached.
; settings: form=globals what=v128.xor operands=on
(module
  (func (export "f") (param v128) (result v128)
    local.get 0
    local.get 0
    v128.xor))
; ---- made
(module
  (type (;0;) (func (param v128) (result v128)))
  (global (;0;) (mut i64) (i64.const 0))
  (global (;1;) (mut i64) (i64.const 0))
  (global (;2;) (mut i32) (i32.const 0))
  (global (;3;) (mut i64) (i64.const 0))
  (global (;4;) (mut i64) (i64.const 0))
  (global (;5;) (mut i32) (i32.const 0))
  (global (;6;) (mut i64) (i64.const 0))
  (global (;7;) (mut i64) (i64.const 0))
  (global (;8;) (mut i32) (i32.const 0))
  (export "f" (func 0))
  (export "probe0b" (global 0))
  (export "probe0c" (global 1))
  (export "probe0a" (global 2))
  (export "probe1b" (global 3))
  (export "probe1c" (global 4))
  (export "probe1a" (global 5))
  (export "probe2b" (global 6))
  (export "probe2c" (global 7))
  (export "probe2a" (global 8))
  (func (;0;) (type 0) (param v128) (result v128)
    (local v128 v128)
    local.get 0
    local.get 0
    local.set 2
    local.set 1
    local.get 1
    i64x2.extract_lane 0
    global.set 0
    local.get 1
    i64x2.extract_lane 1
    global.set 1
    i32.const 1
    global.set 2
    local.get 2
    i64x2.extract_lane 0
    global.set 3
    local.get 2
    i64x2.extract_lane 1
    global.set 4
    i32.const 1
    global.set 5
    local.get 1
    local.get 2
    v128.xor
    local.tee 1
    local.get 1
    i64x2.extract_lane 0
    global.set 6
    local.get 1
    i64x2.extract_lane 1
    global.set 7
    i32.const 1
    global.set 8
  )
)
