;; Positive control: bytecodealliance/wasmtime #12318 (fixed by #12321 in 40.0.2 and 41.0.0).
;; The x86-64 `shld` rule took (x >> 32) | (y << 0) for a double shift: both amounts are 0 modulo 32.
;; The spec (4.3.2, ishl and ishr_u) gives x | y. Call f(i32:24, i32:1): 25; wasmtime 33.0.0 with opt=none gives 1.
(module
  (func (export "f") (param i32 i32) (result i32)
    local.get 0
    i32.const 32
    i32.shr_u
    local.get 1
    i32.const 0
    i32.shl
    i32.or))
