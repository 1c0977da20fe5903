;; TinyWasm 0.10.0: copy and fill panic ("ValueStack underflow, this is a bug"); both do nothing.
(module
  (memory i64 0)
  (func (export "copy") (memory.copy (i64.const 0) (i64.const 0) (i64.const 0)))
  (func (export "fill") (memory.fill (i64.const 0) (i32.const 0) (i64.const 0))))
