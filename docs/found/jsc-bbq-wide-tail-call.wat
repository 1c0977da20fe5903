;; JavaScriptCore in bun 1.4.4 and 1.4.5, baseline compiler: a tail call with 246 parameters, by reference or direct, gives
;; parameter 108 what is meant for parameter 109. With a parameter or the caller's locals less nothing is seen.
(module
    (type $t (func (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32
    i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32
    i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 v128
    i32 v128 v128 v128 i32 v128 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 v128 v128
    v128 i32 v128 v128 i32 v128 v128 i32 i32 v128 v128 v128 i32 v128 v128 v128 i32 v128 v128 v128 i32 v128 v128 v128
    i32 v128 v128 v128 i32 v128 v128 v128 i32 v128 v128 v128 i32 v128 v128 v128 i32 v128 v128 v128 i32 v128 v128 v128
    i32 v128 v128 v128 i32 v128 v128 v128 i32 v128 v128 v128 i32 v128 v128 v128 i32 v128 v128 v128 i32 v128 v128 v128
    i32 v128 v128 v128 i32 v128 v128 v128 i32 v128 v128 v128 i32 v128 v128 v128 i32 v128 v128 v128 i32 v128 v128 v128
    i32 v128 v128 v128 i32 v128 v128 v128 i32 v128 v128 v128 i32 v128 v128 v128 i32 v128 v128 v128 i32 v128 v128 v128
    i32 v128 v128 v128 i32 v128 v128 v128 i32 v128 v128 v128 i32 v128 v128 v128 i32 v128 v128 v128)))
  (global $g (mut i64) (i64.const 0))
  (elem declare func $f)
  (func $f (type $t) (global.set $g (i64x2.extract_lane 1 (local.get 108))))
  (func (export "a") (local i64 externref)
        (return_call_ref $t (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (v128.const i64x2 0 0) (i32.const 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0)
      (i32.const 0) (v128.const i64x2 0 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (v128.const i64x2 0 0)
      (v128.const i64x2 0 0) (v128.const i64x2 0 0) (i32.const 0) (v128.const i64x2 0 0) (v128.const i64x2 0 1)
      (i32.const 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0) (i32.const 0) (i32.const 0) (v128.const i64x2 0 0)
      (v128.const i64x2 0 0) (v128.const i64x2 0 0) (i32.const 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0)
      (v128.const i64x2 0 0) (i32.const 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0)
      (i32.const 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0) (i32.const 0) (v128.const
      i64x2 0 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0) (i32.const 0) (v128.const i64x2 0 0) (v128.const i64x2
      0 0) (v128.const i64x2 0 0) (i32.const 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0)
      (i32.const 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0) (i32.const 0) (v128.const
      i64x2 0 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0) (i32.const 0) (v128.const i64x2 0 0) (v128.const i64x2
      0 0) (v128.const i64x2 0 0) (i32.const 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0)
      (i32.const 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0) (i32.const 0) (v128.const
      i64x2 0 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0) (i32.const 0) (v128.const i64x2 0 0) (v128.const i64x2
      0 0) (v128.const i64x2 0 0) (i32.const 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0)
      (i32.const 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0) (i32.const 0) (v128.const
      i64x2 0 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0) (i32.const 0) (v128.const i64x2 0 0) (v128.const i64x2
      0 0) (v128.const i64x2 0 0) (i32.const 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0)
      (i32.const 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0) (i32.const 0) (v128.const
      i64x2 0 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0) (i32.const 0) (v128.const i64x2 0 0) (v128.const i64x2
      0 0) (v128.const i64x2 0 0) (i32.const 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0)
      (i32.const 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0) (i32.const 0) (v128.const
      i64x2 0 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0) (i32.const 0) (v128.const i64x2 0 0) (v128.const i64x2
      0 0) (v128.const i64x2 0 0) (i32.const 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0)
      (i32.const 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0) (i32.const 0) (v128.const
      i64x2 0 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0) (i32.const 0) (v128.const i64x2 0 0) (v128.const i64x2
      0 0) (v128.const i64x2 0 0) (i32.const 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0)
      (i32.const 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0) (i32.const 0) (v128.const
      i64x2 0 0) (v128.const i64x2 0 0) (v128.const i64x2 0 0) (ref.func $f)))
  (func (export "b") (result i64) (global.get $g)))
