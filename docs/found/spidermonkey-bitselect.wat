(module
  (func (export "a") (param i32) (result i32)
    (i32x4.extract_lane 0
      (v128.bitselect (v128.const i64x2 0 0) (i32x4.splat (local.get 0)) (v128.const i64x2 0 0)))))
