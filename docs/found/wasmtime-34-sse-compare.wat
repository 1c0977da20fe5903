;; Wasmtime 21.0.0 to 34.0.0 on a CPU without AVX: the comparison traps, though its load is within the memory.
(module
  (memory 1)
  (func (export "a")
    i32.const 0
    f32.const 0
    i32.const 21984
    f32.load offset=43538 align=1
    f32.eq
    i32.const 0
    memory.fill))
