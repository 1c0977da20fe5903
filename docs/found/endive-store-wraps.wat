(module
  (memory 1)
  (func (export "c") i32.const 2  i32.const 65  i32.store8 offset=4294967294)
  (func (export "d") (result i32) i32.const 0  i32.load8_u))
