; f is wrapped; held is not, since there are references to it.
; draws: 1
(module
  (elem declare func $held)
  (func $held (export "held"))
  (func (export "f") (param i32 i64) (result i32) local.get 0 ref.func $held drop))
; ---- mutant
(module
  (type (;0;) (func))
  (type (;1;) (func (param i32 i64) (result i32)))
  (export "held" (func 0))
  (export "f" (func 2))
  (elem (;0;) declare func 0)
  (func (;0;) (type 0)
  )
  (func (;1;) (type 1) (param i32 i64) (result i32)
    local.get 0
    ref.func 0
    drop
  )
  (func (;2;) (type 1) (param i32 i64) (result i32)
    local.get 0
    local.get 1
    call 1
  )
)
