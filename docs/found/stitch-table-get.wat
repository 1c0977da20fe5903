;; Stitch 0.1.0 takes what table.get gives for an i32, and panics as it compiles ref.is_null of it.
(module
  (table 1 funcref)
  (func (export "f") (result i32)
    (ref.is_null (table.get (i32.const 0)))))
