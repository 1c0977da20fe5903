;; JavaScriptCore in WebKitGTK 2.50.6 and bun 1.2.7 to 1.3.14, baseline compiler: a tail call with 22 parameters, 15 of them v128,
;; gives the third, an f64, the lower half of a vector.
(module
  (type (;0;) (func (param
      v128 v128 f64 v128 v128 f64 v128 v128 f64 v128 (;10;)
      f64 v128 v128 f64 v128 v128 f64 v128 v128 f64 (;20;)
      v128 v128 (;22;))))
  (type (;1;) (func))
  (global (;0;) (mut i64) (i64.const 0))
  (export "a" (global 0))
  (export "b" (func 1))
  (func (;0;) (type 0)
    (param
      v128 v128 f64 v128 v128 f64 v128 v128 f64 v128 (;10;)
      f64 v128 v128 f64 v128 v128 f64 v128 v128 f64 (;20;)
      v128 v128 (;22;))
    (local i64)
    local.get 2
    i64.reinterpret_f64
    local.set 22
    local.get 22
    global.set 0
  )
  (func (;1;) (type 1)
    (local i64)
    i64.const 1
    local.set 0
    i64.const 0
    i64x2.splat
    local.get 0
    i64x2.splat
    local.get 0
    f64.convert_i64_s
    local.get 0
    i64x2.splat
    local.get 0
    i64x2.splat
    local.get 0
    f64.convert_i64_s
    local.get 0
    i64x2.splat
    local.get 0
    i64x2.splat
    local.get 0
    f64.convert_i64_s
    local.get 0
    i64x2.splat
    local.get 0
    f64.convert_i64_s
    local.get 0
    i64x2.splat
    local.get 0
    i64x2.splat
    local.get 0
    f64.convert_i64_s
    local.get 0
    i64x2.splat
    local.get 0
    i64x2.splat
    local.get 0
    f64.convert_i64_s
    local.get 0
    i64x2.splat
    local.get 0
    i64x2.splat
    local.get 0
    f64.convert_i64_s
    local.get 0
    i64x2.splat
    local.get 0
    i64x2.splat
    return_call 0
  )
)
