;; On riscv64, Wasmtime 50.0.1 gives a NaN, where the sum of 1 to 14 is 105. See wasmtime-riscv64.md.
(module
  (func $numbers (result f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 f32)
    f32.const 1 f32.const 2 f32.const 3 f32.const 4 f32.const 5 f32.const 6 f32.const 7
    f32.const 8 f32.const 9 f32.const 10 f32.const 11 f32.const 12 f32.const 13 f32.const 14)
  (func (export "sum") (result f32)
    call $numbers
    f32.add f32.add f32.add f32.add f32.add f32.add f32.add f32.add f32.add f32.add f32.add f32.add f32.add))
