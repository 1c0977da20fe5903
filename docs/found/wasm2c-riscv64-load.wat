;; The C does not compile by clang for riscv64 without vector registers, which is its default.
(module
  (memory 1)
  (func (export "f") (param i32) (result v128) (v128.load (local.get 0))))
