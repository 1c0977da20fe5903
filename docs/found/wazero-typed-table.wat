;; A call through a table whose elements are of a function type is refused.
(module
  (type (func (result i32)))
  (table (ref null 0) (elem (ref.func $f)))
  (func $f (type 0) i32.const 7)
  (func (export "a") (result i32)
    i32.const 0
    call_indirect (type 0)))
