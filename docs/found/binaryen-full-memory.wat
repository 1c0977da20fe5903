;; Binaryen's interpreter, npm: a memory of 4 GiB and a page has one page, and an address is taken modulo 2^32: 7, not 0.
(module
  (memory i64 65537)
  (func (export "a") (result i32)
    (i32.store (i64.const 0) (i32.const 7))
    (i32.load (i64.const 0x100000000))))
