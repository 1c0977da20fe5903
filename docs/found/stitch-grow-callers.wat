;; Stitch 0.1.0: after memory.grow the caller has the old size, and whoever called that takes pages for bytes.
(module
  (memory 1)
  (func $grow (drop (memory.grow (i32.const 1))))
  (func $inner (call $grow))
  (func (export "caller") (result i32)
    (call $grow)
    (i32.load (i32.const 65536)))
  (func (export "above") (result i32)
    (call $inner)
    (i32.load (i32.const 100))))
