;; wasm2c 1.0.42 gives 2^31 for each lane from 2^31 up to 2^32.
(module
  (func (export "f") (param v128) (result v128) (i32x4.trunc_sat_f32x4_u (local.get 0))))
