;; Wasmtime 27.0.0 to 34.0.0 with its reference-counting collector: after make() three times, get() gives 0 for 3.
;; A global is set to the object that it holds, and without that line all is well.
(module
  (type $s (struct (field (mut i32)) (field i32)))
  (table $t 7 7 (ref null $s))
  (elem (table $t) (i32.const 5) (ref null $s)
    (item i32.const 1 i32.const 2 struct.new $s)
    (item i32.const 3 i32.const 4 struct.new $s))
  (global $g (mut (ref $s)) (struct.new $s (i32.const 5) (i32.const 6)))
  (func (export "make")
    (drop (table.grow $t (struct.new $s (i32.const 0) (i32.const 0)) (i32.const 0)))
    (global.set $g (global.get $g)))
  (func (export "get") (result i32)
    (struct.get $s 0 (table.get $t (i32.const 6)))))
