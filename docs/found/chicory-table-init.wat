(module
  (table 4 funcref) (elem $e func)
  (func (export "a") (param i32) (table.init $e (local.get 0) (i32.const 0) (i32.const 0)))
  (func (export "b") (param i32) (table.fill (local.get 0) (ref.null func) (i32.const 0)))
  (func (export "c") (param i32) (table.copy (local.get 0) (i32.const 0) (i32.const 0))))
