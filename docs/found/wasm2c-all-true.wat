;; wasm2c 1.0.42 gives 0, for 1: a lane of -2^63 is taken for zero (as a float it is -0).
(module
  (func (export "f") (param v128) (result i32) (i64x2.all_true (local.get 0))))
