;; Wasmtime up to 43.0.0: what ``array.new_elem`` gives is not in the stack map of a call. The host collects garbage,
;; the array is gone, and another takes its place: 2 in place of 1.
(module
  (type $a (array i31ref))
  (import "collect" "garbage" (func $collect))
  (elem $e i31ref (item i32.const 1 ref.i31))
  (global $other (mut (ref null $a)) (ref.null $a))
  (func (export "a") (result i32)
    (array.new_elem $a $e (i32.const 0) (i32.const 1))
    (call $collect)
    (global.set $other (array.new $a (ref.i31 (i32.const 2)) (i32.const 1)))
    i32.const 0  array.get $a  i31.get_u))
