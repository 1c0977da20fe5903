;; Wasmtime 32.0.0 to 36.0.0 panic: table.copy to a higher place of the same table of host references, while the store
;; has no heap for them yet because no reference was ever made. Even copying nothing does it.
(module
  (table 2 externref)
  (func (export "up")
    i32.const 1
    i32.const 0
    i32.const 1
    table.copy))
