;; A function that another instance puts into the table: its owner does not see it, if the table cannot grow.
(module $owner
  (type $f (func (result i32)))
  (table (export "table") 1 1 funcref)
  (func (export "call") (result i32) (call_indirect (type $f) (i32.const 0))))
(register "owner" $owner)
(module
  (import "owner" "table" (table 1 1 funcref))
  (elem (i32.const 0) $one)
  (func $one (result i32) (i32.const 1)))
(assert_return (invoke $owner "call") (i32.const 1))
