;; wasm3 0.5.0 traps (out of bounds memory access): a growth that failed has taken the memory away.
(module
  (memory 1)
  (func (export "f") (result i32)
    (drop (memory.grow (i32.const -1)))
    (i32.load (i32.const 0))))
