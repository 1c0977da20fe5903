;; Positive control: bytecodealliance/wasmtime #12435 (fixed in 36.0.7, 40.0.3, 41.0.1 and 42.0.0).
;; The x86-64 copysign rule folded the 8-byte load into a 16-byte operand, so a load that ends at the memory's end
;; trapped. The spec (4.6.12) reads 8 bytes. Call f(i32:65528, f64:0): the value; wasmtime 33.0.0 with opt=none traps.
(module
  (memory 1)
  (data (i32.const 65528) "\00\00\00\00\00\00\f8\bf")
  (func (export "f") (param i32 f64) (result f64)
    local.get 1
    local.get 0
    f64.load
    f64.copysign))
