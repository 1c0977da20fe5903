;; wasm2c 1.0.42: f(2^63) gives 7, f(2^32) reads beyond the table; both trap.
(module
  (table i64 1 funcref)
  (elem (table 0) (i64.const 0) func $a)
  (func $a (result i32) (i32.const 7))
  (func (export "f") (param i64) (result i32)
    (call_indirect 0 (result i32) (local.get 0))))
