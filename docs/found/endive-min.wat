(module
  (func (export "min") (param f32 f32) (result f32) local.get 0  local.get 1  f32.min))
