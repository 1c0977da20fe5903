;; The sixth root lies on the stack, and the result comes there: Singlepass takes it for an f32 too, and keeps 32 bits, 2.
(module
  (func $six (param f32 f32 f32 f32 f32 f32) (result i64) (i64.const 0x100000002))
  (func (export "a") (result i64)
    (call $six
      (f32.sqrt (f32.const 1)) (f32.sqrt (f32.const 1)) (f32.sqrt (f32.const 1))
      (f32.sqrt (f32.const 1)) (f32.sqrt (f32.const 1)) (f32.sqrt (f32.const 1)))))
