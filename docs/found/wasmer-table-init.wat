;; A null out of a passive segment of externref, in all compilers: panic.
(module
  (table 1 externref)
  (elem $nulls externref (ref.null extern))
  (func (export "a") (table.init $nulls (i32.const 0) (i32.const 0) (i32.const 1))))
