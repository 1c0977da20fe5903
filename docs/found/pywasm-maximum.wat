;; pywasm 2.2.3 gives 0: a maximum of zero is none to it.
(module
  (memory 0 0)
  (table 0 0 funcref)
  (func (export "memory") (result i32) (memory.grow (i32.const 1)))
  (func (export "table") (result i32) (table.grow (ref.null func) (i32.const 1))))
