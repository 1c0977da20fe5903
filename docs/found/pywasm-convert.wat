;; pywasm 2.2.3 rounds twice, to f64 first: 0x4000004000000001 is above the middle between two numbers of f32.
(module
  (func (export "s") (param i64) (result f32) (f32.convert_i64_s (local.get 0)))
  (func (export "u") (param i64) (result f32) (f32.convert_i64_u (local.get 0))))
