(module
  (func (export "abs") (param f32) (result f32) local.get 0  f32.abs))
