;; JavaScriptCore's interpreter, x86-64: each lane is all of one operand's or, bit by bit, of both (4.3.6.10). IPInt goes by
;; bytes, which is neither, and other than its compilers.
(module
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
        (i64x2.splat (local.get 0))))))
