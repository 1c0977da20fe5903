;; V8 14.6 (node 26.10.0) and 15.0 (deno 2.9.6) trap, function signature mismatch: a function that is imported at a
;; supertype of its type is called through a table by its own type, which it has (spec 4.6.10, call_indirect). A test of a
;; reference to it says so.
(module
  (type $above (sub (func (param i32) (result i32))))
  (type $own (sub $above (func (param i32) (result i32))))
  (func (export "f") (type $own) (local.get 0)))
(register "home")
(module
  (type $above (sub (func (param i32) (result i32))))
  (type $own (sub $above (func (param i32) (result i32))))
  (import "home" "f" (func $f (type $above)))
  (table $t funcref (elem $f))
  (func (export "a") (result i32) (ref.test (ref $own) (table.get $t (i32.const 0))))
  (func (export "b") (result i32) (call_indirect $t (type $own) (i32.const 9) (i32.const 0))))
(assert_return (invoke "a") (i32.const 1))
(assert_return (invoke "b") (i32.const 9))
