; The second half takes the locals that it reads.
; draws: 1
(module
  (global $g (mut i32) (i32.const 0))
  (func (export "f") (param i32) (result i32) (local i32 i64)
    local.get 0 i32.eqz if i32.const 1 return end
    local.get 0 local.set 1
    local.get 1 global.set $g
    local.get 1 i32.const 2 i32.add))
; ---- mutant
(module
  (type (;0;) (func (param i32) (result i32)))
  (global (;0;) (mut i32) (i32.const 0))
  (export "f" (func 0))
  (func (;0;) (type 0) (param i32) (result i32)
    (local i32 i64)
    local.get 0
    i32.eqz
    if (;@1;)
      i32.const 1
      return
    end
    local.get 0
    local.set 1
    local.get 1
    global.set 0
    local.get 1
    call 1
  )
  (func (;1;) (type 0) (param i32) (result i32)
    local.get 0
    i32.const 2
    i32.add
  )
)
