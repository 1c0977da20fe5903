; A call: the body is a block, its return a branch, its local is set to zero.
; draws: 1
(module
  (func $twice (param i32) (result i32) (local i64)
    local.get 0 i32.eqz if i32.const 9 return end local.get 0 local.get 0 i32.add)
  (func (export "f") (param i32) (result i32) local.get 0 call $twice))
; ---- mutant
(module
  (type (;0;) (func (param i32) (result i32)))
  (export "f" (func 1))
  (func (;0;) (type 0) (param i32) (result i32)
    (local i64)
    local.get 0
    i32.eqz
    if (;@1;)
      i32.const 9
      return
    end
    local.get 0
    local.get 0
    i32.add
  )
  (func (;1;) (type 0) (param i32) (result i32)
    (local i32 i64)
    local.get 0
    local.set 1
    i64.const 0
    local.set 2
    block (;@1;) (result i32)
      local.get 1
      i32.eqz
      if (;@2;)
        i32.const 9
        br 1 (;@1;)
      end
      local.get 1
      local.get 1
      i32.add
    end
  )
)
