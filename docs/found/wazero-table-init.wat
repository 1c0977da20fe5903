;; table.init from a passive segment of externref traps: of its one element, and of none from its end on.
(module
  (table 1 externref)
  (elem externref (ref.null extern))
  (func (export "a") (param i32 i32)
    i32.const 0
    local.get 0
    local.get 1
    table.init 0))
