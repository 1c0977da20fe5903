;; JavaScriptCore in bun 1.2.21 to 1.3.6, baseline compiler: a copysign whose second operand is the constant -0 is positive.
(module
  (type (;0;) (func (result i32)))
  (export "a" (func 0))
  (func (;0;) (type 0) (result i32)
    (local i32 f32 f32)
    local.get 1
    f32.const -0x0p+0 (;=-0.0;)
    f32.copysign
    local.set 2
    local.get 2
    i32.reinterpret_f32
    local.set 0
    local.get 0
  )
)
