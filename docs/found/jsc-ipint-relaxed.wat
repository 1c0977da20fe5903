;; JavaScriptCore's interpreter, x86-64: relaxed SIMD outside what the specification allows, and other than its compilers.
(module
  ;; Each lane is all of one operand's or, bit by bit, of both (spec 4.3, irelaxed_laneselect). IPInt goes by bytes.
  (func (export "laneselect_32") (param i32) (result i32)
    (i32x4.extract_lane 0
      (i32x4.relaxed_laneselect
        (v128.const i64x2 -1 -1)
        (v128.const i64x2 0 0)
        (i32x4.splat (local.get 0)))))
  (func (export "laneselect_64") (param i64) (result i64)
    (i64x2.extract_lane 0
      (i64x2.relaxed_laneselect
        (v128.const i64x2 -1 -1)
        (v128.const i64x2 0 0)
        (i64x2.splat (local.get 0)))))
  ;; Out of range: the saturated number, 0xffffffff, 0xfffffffe or 0x80000000, one of these for all (irelaxed_trunc_u).
  (func (export "trunc_f32_u") (param i32) (result i32)
    (i32x4.extract_lane 0
      (i32x4.relaxed_trunc_f32x4_u (i32x4.splat (local.get 0)))))
  (func (export "trunc_f64_u") (param i64) (result i32)
    (i32x4.extract_lane 0
      (i32x4.relaxed_trunc_f64x2_u_zero (i64x2.splat (local.get 0))))))
