;; Stitch 0.1.0 gives the first of two readings of a local the value that is set after both.
(module
  (func (export "f") (param i32) (result i32)
    (local.get 0)
    (local.get 0)
    (local.set 0 (i32.const 5))
    (i32.add)))
