;; wasm-interp 1.0.42 gives 1317898, which is 513 * 513 + 1027 * 1027: it multiplies words of 16 bits. It is 30.
(module
  (func (export "f") (result i32)
    (i32x4.extract_lane 0
      (i32x4.relaxed_dot_i8x16_i7x16_add_s
        (v128.const i8x16 1 2 3 4 0 0 0 0 0 0 0 0 0 0 0 0)
        (v128.const i8x16 1 2 3 4 0 0 0 0 0 0 0 0 0 0 0 0)
        (v128.const i32x4 0 0 0 0)))))
