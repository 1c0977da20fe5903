(module
  (type $s (sub (func (result i32)))) (type $f (sub final $s (func (result i32))))
  (table $t 2 (ref null $s) (ref.func $g))
  (func $g (type $f) (i32.const 7))
  (func (export "a") (result i32) (call_ref $f (ref.cast (ref $f) (table.get $t (i32.const 0)))))
  (func (export "b") (result i32) (call_ref $f (ref.cast (ref $f) (ref.func $g))))
  (func (export "c") (result i32) (ref.test (ref $f) (table.get $t (i32.const 1)))))
