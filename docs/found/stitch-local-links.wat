;; Stitch 0.1.0 panics as it compiles a function that has a reading of a local on the stack after a later one was used.
(module
  (func (export "f")
    (local i32 i32)
    (block (result i32)
      (local.get 1)
      (br_if 0 (i32.eq (i32.const 0) (local.get 1))))
    (local.set 0))
  (func (export "g") (param i32)
    (block (result i32)
      (local.get 0)
      (br_if 0 (i32.eqz (local.get 0))))
    (local.set 0)))
