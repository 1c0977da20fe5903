;; wasm2c 1.0.42 writes a header that does not compile: the type v128 is missing.
(module
  (func $f (result i32 v128) (i32.const 1) (v128.const i64x2 1 2))
  (func (export "g") (result i32) (local v128)
    (local.set 0 (call $f))))
