;; Wasmtime 31.0.0 to 43.0.0: what ``select`` gives is not in the stack map of a call. The host collects garbage, the object is gone,
;; and another takes its place: 2 in place of 1.
(module
  (type $s (struct (field i32)))
  (import "collect" "garbage" (func $collect))
  (global $other (mut (ref null $s)) (ref.null $s))
  (func (export "a") (param i32) (result i32)
    (select (result (ref null $s)) (struct.new $s (i32.const 1)) (ref.null $s) (local.get 0))
    (call $collect)
    (global.set $other (struct.new $s (i32.const 2)))
    (struct.get $s 0)))
