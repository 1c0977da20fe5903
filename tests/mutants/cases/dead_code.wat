; Code behind conditions that were never true: the local was seen to be 3 to 7, or a global is never set.
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
    local.get 0
    i32.const 3
    i32.lt_u
    if (;@1;)
      block (;@2;)
        local.get 0
        i32.const 7
        i32.and
        i32.eqz
        br_if 0 (;@2;)
        local.get 0
        i32.const 3
        i32.shl
        global.set 0
      end
    end
    block (;@1;)
      local.get 0
      i32.const 3
      i32.lt_u
      if (;@2;)
        local.get 0
        i32.const 7
        i32.and
        i32.eqz
        br_if 1 (;@1;)
      end
      local.get 0
      i32.const 7
      i32.and
      i32.eqz
      br_if 0 (;@1;)
      local.get 0
      i32.const 7
      i32.gt_u
      if (;@2;)
        block (;@3;)
          local.get 0
          i32.const 7
          i32.and
          i32.eqz
          br_if 0 (;@3;)
          local.get 0
          i32.const 3
          i32.shl
          global.set 0
        end
      end
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
