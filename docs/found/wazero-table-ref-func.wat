;; A reference to a function that only a table's initial value names is refused.
(module
  (table 1 funcref (ref.func $f))
  (func $f)
  (func (export "a") (result i32)
    ref.func $f
    ref.is_null))
