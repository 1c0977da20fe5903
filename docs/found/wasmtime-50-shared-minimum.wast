;; Wasmtime traps (out of bounds memory access) in 28.0.0 to 50.0.1, not with Winch: a shared memory of more than 4 GiB is
;; imported where it is declared with a minimum of 4 GiB or less, which fits (spec 3.3.13), and is read above 4 GiB.
(module (memory (export "m") i64 65537 65537 shared))
(register "home")
(module
  (import "home" "m" (memory i64 0 65537 shared))
  (func (export "a") (result i32) (i32.load8_u (i64.const 0x100000000))))
(assert_return (invoke "a") (i32.const 0))
