;; wasm3 0.5.0 gives 0, for 1: of a block's results, of which the last is a float, the others are wrong.
(module
  (func (export "f") (result i32)
    (block (result i32 i32 f32)
      (i32.const 1) (i32.const 0) (f32.const 0))
    (drop) (drop)))
