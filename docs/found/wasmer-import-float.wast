;; A function of another instance whose first parameter is a float: Singlepass gives it other arguments.
(module $callee
  (func (export "second") (param f32 i32 i32) (result i32) (local.get 1))
  (func (export "bits") (param f32 i32) (result i32) (i32.reinterpret_f32 (local.get 0))))
(register "callee" $callee)
(module
  (import "callee" "second" (func $second (param f32 i32 i32) (result i32)))
  (import "callee" "bits" (func $bits (param f32 i32) (result i32)))
  (func (export "second") (result i32) (call $second (f32.const 1) (i32.const 2) (i32.const 3)))
  (func (export "bits") (result i32) (call $bits (f32.const 1) (i32.const 2))))
(assert_return (invoke "second") (i32.const 2))
(assert_return (invoke "bits") (i32.const 0x3f800000))
