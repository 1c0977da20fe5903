;; Binaryen 132: an instruction that names a declarative element segment is refused. Here none of it is copied.
(module
  (table 1 funcref)
  (elem declare funcref (ref.null func))
  (func (export "a")
    (table.init 0 (i32.const 0) (i32.const 0) (i32.const 0))))
