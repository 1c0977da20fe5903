;; No element from the end of a segment of externref on.
(module
  (table 0 externref)
  (elem externref (ref.null extern))
  (func (export "a") (param i32 i32)
    i32.const 0
    local.get 0
    local.get 1
    table.init 0))
