;; Wasmtime up to 36.0.0: an object that an element segment put into a table is taken for garbage once the host collects.
(module
  (type $s (struct (field i32)))
  (import "collect" "garbage" (func $collect))
  (table 1 1 (ref null $s))
  (elem (table 0) (i32.const 0) (ref null $s) (item i32.const 1 struct.new $s))
  (global $other (mut (ref null $s)) (ref.null $s))
  (func (export "a") (result i32)
    (global.set $other (struct.new $s (i32.const 5)))
    (call $collect)
    (global.set $other (struct.new $s (i32.const 2)))
    (struct.get $s 0 (table.get 0 (i32.const 0)))))
