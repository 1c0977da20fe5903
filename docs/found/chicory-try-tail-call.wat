(module
  (tag $t)
  (func $throws (throw $t))
  (func $in (block $h (try_table (catch $t $h) (return_call $throws))))
  (func (export "a") (result i32) (block $h (try_table (catch $t $h) (call $in)) (return (i32.const 1))) (i32.const 2)))
