;; 0x2000200020002 for 0: a store that is out of bounds has written the lower half of what it stores.
(module
  (memory 1)
  (func (export "store") (param i32 v128)
    (v128.store align=1 (local.get 0) (i16x8.add (local.get 1) (local.get 1))))
  (func (export "load") (param i32) (result i64) (i64.load (local.get 0))))
