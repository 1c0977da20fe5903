;; Wasmtime 27.0.1 to 44.0.0 take a function that is imported at a supertype of its type for one of the supertype: a test
;; of a reference to it fails (a), and so does a call by its own type through a table (b), as if the types did not match.
(module
  (type $above (sub (func (param i32) (result i32))))
  (type $own (sub final $above (func (param i32) (result i32))))
  (func (export "f") (type $own) (local.get 0)))
(register "home")
(module
  (type $above (sub (func (param i32) (result i32))))
  (type $own (sub final $above (func (param i32) (result i32))))
  (import "home" "f" (func $f (type $above)))
  (table $t funcref (elem $f))
  (func (export "a") (result i32) (ref.test (ref $own) (table.get $t (i32.const 0))))
  (func (export "b") (result i32) (call_indirect $t (type $own) (i32.const 9) (i32.const 0))))
(assert_return (invoke "a") (i32.const 1))
(assert_return (invoke "b") (i32.const 9))
