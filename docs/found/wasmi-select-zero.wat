;; A select whose condition compares a local with zero is decided by what the accumulator holds instead.
(module
  (func (export "eqz") (param i32 i32) (result i32)
    (local i32)
    (local.set 2 (i32.add (local.get 0) (i32.const 1)))
    (select (i32.const 10) (i32.const 20) (i32.eqz (local.get 1))))
  (func (export "ne") (param i32 i32) (result i32)
    (local i32)
    (local.set 2 (i32.add (local.get 0) (i32.const 1)))
    (select (i32.const 10) (i32.const 20) (i32.ne (local.get 1) (i32.const 0)))))
