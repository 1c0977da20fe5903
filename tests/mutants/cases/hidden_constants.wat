; Constants from globals, from calls, and in two parts.
; draws: 1
(module
  (memory 1)
  (global $g (mut i32) (i32.const 0))
  (func (export "f") (param i32) (result i32)
    block
      local.get 0 i32.const 7 i32.and i32.eqz br_if 0
      local.get 0 i32.const 3 i32.shl global.set $g
    end
    local.get 0 global.get $g i32.lt_s))
; ---- mutant
(module
  (type (;0;) (func (param i32) (result i32)))
  (memory (;0;) 1)
  (global (;0;) (mut i32) (i32.const 0))
  (global (;1;) (mut i32) (i32.const 1512549888))
  (export "f" (func 0))
  (func (;0;) (type 0) (param i32) (result i32)
    block (;@1;)
      local.get 0
      global.get 1
      i32.const -1512549881
      i32.add
      i32.and
      i32.eqz
      br_if 0 (;@1;)
      local.get 0
      i32.const 3
      i32.shl
      global.set 0
    end
    local.get 0
    global.get 0
    i32.lt_s
  )
)
