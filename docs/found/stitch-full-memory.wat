;; Stitch 0.1.0 lets every access to a memory of 65,536 pages trap.
(module
  (memory 65536)
  (func (export "f") (result i32)
    (i32.load (i32.const 0))))
