(module
  (type $a (func)) (type $b (func (param i32)))
  (func (export "a") (result (ref null $a) i64) (ref.null $a) (i64.const 1))
  (func (export "b") (result (ref null $b) i64) (ref.null $b) (i64.const 2)))
