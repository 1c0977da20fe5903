(module
  (type $take (func (param i31ref) (result i32)))
  (table 1 funcref)
  (elem (i32.const 0) func $get)
  (func $get (type $take) local.get 0  i31.get_s)
  (func $tail (type $take) local.get 0  i32.const 0  return_call_indirect (type $take))
  (func (export "a") (result i32) i32.const 7  ref.i31  call $tail))
