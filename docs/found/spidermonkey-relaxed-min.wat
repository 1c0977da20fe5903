(module
  (func (export "alone") (param v128 v128) (result v128)
    (f32x4.relaxed_min (local.get 0) (local.get 1)))
  (func (export "kept") (param v128 v128) (result v128) (local v128)
    (local.set 2 (f32x4.relaxed_min (local.get 0) (local.get 1)))
    (v128.xor (v128.xor (local.get 2) (local.get 0)) (local.get 0))))
