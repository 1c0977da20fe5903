;; JavaScriptCore in bun 1.2.21 to 1.3.13, baseline compiler: the lesser of the constants 0 and -0, folded, is 0.
(module
  (type (;0;) (func (result i32)))
  (export "a" (func 0))
  (func (;0;) (type 0) (result i32)
    (local i32 f32)
    f32.const 0x0p+0 (;=0.0;)
    f32.const 0x0p+0 (;=0.0;)
    f32.neg
    f32.min
    local.set 1
    local.get 1
    i32.reinterpret_f32
    local.set 0
    local.get 0
  )
)
