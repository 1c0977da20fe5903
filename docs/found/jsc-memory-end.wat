;; JavaScriptCore in bun 1.4.5, both compilers: a load that ends where 4 GiB of memory end traps, if its static offset alone
;; reaches there. In the interpreter, and with the address in the operand, it gives 0.
(module
  (memory 65536)
  (func (export "a") (result i64)
    (i64.load offset=4294967288 (i32.const 0)))
  (func (export "b") (result i64)
    (i64.load (i32.const -8)))
  (func (export "c") (result i64)
    (i64.load offset=4294967287 (i32.const 0)))
  (func (export "d") (result i32)
    (i32.load8_u offset=4294967295 (i32.const 0))))
