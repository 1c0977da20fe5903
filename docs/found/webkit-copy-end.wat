(module
  (memory 65536)
  (func (export "a") (memory.copy (i32.const 0) (i32.const -32) (i32.const 32)))
  (func (export "b") (memory.copy (i32.const -32) (i32.const 0) (i32.const 32))))
