;; Address and offset together are 2^32, which is beyond the memory's end (4.6.8).
(module
  (memory 1)
  (func (export "or") (param i32) (result i64)
    (i64.atomic.rmw32.or_u offset=4 (local.get 0) (i64.const 1)))
  (func (export "store") (param i32)
    (i32.atomic.store offset=4 (local.get 0) (i32.const 7)))
  (func (export "load") (param i32) (result i32)
    (i32.atomic.load offset=4 (local.get 0)))
  (func (export "plain") (param i32) (result i32)
    (i32.load offset=4 (local.get 0)))
  (func (export "first") (result i32) (i32.load (i32.const 0))))
