;; Stitch 0.1.0 leaves what lies below a block where it was, in a register or a local, and moves it inside of the block.
(module
  (func (export "register") (param i32) (result i32)
    (i32.mul (local.get 0) (i32.const 7))
    (block
      (br_if 0 (local.get 0))
      (drop (i32.mul (local.get 0) (i32.const 3)))))
  (func (export "local") (param i32) (result i32)
    (local.get 0)
    (block
      (br_if 0 (local.get 0))
      (local.set 0 (i32.const 5))))
  (func (export "loop") (param i32) (result i32)
    (i32.mul (local.get 0) (i32.const 7))
    (loop
      (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))
