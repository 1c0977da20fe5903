(module
  (memory 1)
  (data (i32.const 0) "\a5")
  (func (export "a") (result i32) (local f32)
    (f32.load (i32.const 0))
    (loop (param f32) (result f32) (local.set 0) (local.get 0))
    i32.reinterpret_f32))
