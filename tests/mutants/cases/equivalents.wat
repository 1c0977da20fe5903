; Instructions by others that do the same.
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
  (export "f" (func 0))
  (func (;0;) (type 0) (param i32) (result i32)
    (local i32 i32 i32 i32)
    block (;@1;)
      local.get 0
      i32.const 7
      local.set 2
      local.set 1
      local.get 1
      i64.extend_i32_u
      local.get 2
      i64.extend_i32_u
      i64.and
      i32.wrap_i64
      i32.eqz
      if (;@2;)
        br 1 (;@1;)
      end
      local.get 0
      i32.const 3
      i32.shl
      global.set 0
    end
    local.get 0
    global.get 0
    local.set 4
    local.set 3
    local.get 3
    i64.extend_i32_s
    local.get 4
    i64.extend_i32_s
    i64.lt_s
  )
)
