; Locals change places; the parameter stays.
; draws: 1
(module
  (func (export "f") (param i32) (result f64) (local i32 i64 i64 f64)
    local.get 0 local.set 1 i64.const 2 local.set 2 f64.const 3 local.tee 4))
; ---- mutant
(module
  (type (;0;) (func (param i32) (result f64)))
  (export "f" (func 0))
  (func (;0;) (type 0) (param i32) (result f64)
    (local f64 i64 i32 i64)
    local.get 0
    local.set 3
    i64.const 2
    local.set 4
    f64.const 0x1.8p+1 (;=3.0;)
    local.tee 1
  )
)
