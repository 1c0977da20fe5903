;; Invalid, and accepted: the operands of a select are not of the type that it names.
(module
  (func (export "a") (result i64)
    i64.const 1
    i64.const 2
    i32.const 0
    select (result i32)))
