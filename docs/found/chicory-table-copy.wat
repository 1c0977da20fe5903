(module
  (table 8 funcref) (table 128 funcref)
  (func (export "a") (table.copy 1 0 (i32.const 86) (i32.const 0) (i32.const 8)))
  (func (export "b") (table.copy 0 1 (i32.const 0) (i32.const 8) (i32.const 1))))
