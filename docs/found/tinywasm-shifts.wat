;; TinyWasm 0.10.0 takes the sign of the 8 or 16 lower bits, where the shifts leave 24, 56 or 48 bits.
(module
  (func (export "i32-8") (param i32) (result i32)
    (i32.shr_s (i32.shl (local.get 0) (i32.const 8)) (i32.const 8)))
  (func (export "i64-8") (param i64) (result i64)
    (i64.shr_s (i64.shl (local.get 0) (i64.const 8)) (i64.const 8)))
  (func (export "i64-16") (param i64) (result i64)
    (i64.shr_s (i64.shl (local.get 0) (i64.const 16)) (i64.const 16))))
