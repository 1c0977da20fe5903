;; A segment of one byte in the middle of a memory of 65,535 pages: its offset is 0x80000000 (4.7.2, 2.2.2: unsigned).
(module
  (memory 65535)
  (data (i32.const 0x80000000) "\2a")
  (func (export "a") (result i32) (i32.load8_u (i32.const 0x80000000))))
