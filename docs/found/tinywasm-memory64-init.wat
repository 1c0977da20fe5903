;; TinyWasm 0.10.0 refuses the module ("logical operand width mismatch").
(module
  (memory i64 0)
  (data "")
  (func (export "init") (memory.init 0 (i64.const 0) (i32.const 0) (i32.const 0))))
