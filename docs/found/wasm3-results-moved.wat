;; wasm3 gives 0, for 2: an i64 among a block's results is moved over two i32 of them, and only the first is kept.
(module
  (func (export "f") (result i32)
    (local i64 i32 i32)
    (block (result i64 i32 i32 i32)
      (local.get 0)
      (i32.add (local.get 1) (i32.const 1))
      (i32.add (local.get 1) (i32.const 2))
      (i32.add (local.get 1) (i32.const 3)))
    (drop)
    (local.set 2)
    (drop)
    (drop)
    (local.get 2)))
