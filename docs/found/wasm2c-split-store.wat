;; 255 for 0: a store that is out of bounds has written a part of what it stores.
(module
  (memory 1)
  (func (export "store") (param i32) (i32.store (local.get 0) (i32.const -1)))
  (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0))))
