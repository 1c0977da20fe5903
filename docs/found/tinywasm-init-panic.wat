;; TinyWasm 0.10.0 adds the numbers of memory.init in 32 bits and with a sign, and panics.
(module
  (memory 1)
  (data $d "ab")
  (func (export "f")
    (memory.init $d (i32.const 1) (i32.const 1) (i32.const -1))))
