;; 2 for -1: of the number of elements to add 32 bits are left, which is none.
(module
  (table i64 2 3 funcref)
  (func (export "f") (param i64) (result i64) (table.grow (ref.null func) (local.get 0))))
