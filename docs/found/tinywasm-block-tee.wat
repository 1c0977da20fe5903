;; TinyWasm 0.10.0: both functions give 0, for 7.
(module
  (func (export "block") (result i32) (local i32 i32 i32)
    (local.set 0 (i32.const 7))
    (local.set 2
      (local.tee 1
        (block (result i32)
          (drop (br_if 0 (local.get 0) (i32.const 1)))
          (local.get 0))))
    (local.get 2))
  (func (export "if") (result i32) (local i32 i32 i32)
    (local.set 0 (i32.const 7))
    (local.set 1
      (local.tee 2
        (if (result i32) (i32.const 1)
          (then (local.get 0))
          (else (local.get 1)))))
    (local.get 1)))
