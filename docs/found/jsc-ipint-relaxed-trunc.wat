;; JavaScriptCore's interpreter, x86-64: numbers out of range, with other results than its compilers give (4.3.6.6).
(module
  (func (export "trunc_f32_u") (param i32) (result i32)
    (i32x4.extract_lane 0
      (i32x4.relaxed_trunc_f32x4_u (i32x4.splat (local.get 0)))))
  (func (export "trunc_f64_u") (param i64) (result i32)
    (i32x4.extract_lane 0
      (i32x4.relaxed_trunc_f64x2_u_zero (i64x2.splat (local.get 0))))))
