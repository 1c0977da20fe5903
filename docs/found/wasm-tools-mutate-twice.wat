;; wasm-tools 1.262.0, `mutate --preserve-semantics`, seed 33 among others: an operation that sets a local by the local's own
;; value is duplicated, and so done twice. 1 becomes 3.
(module
  (func (export "a") (result i32) (local i32)
    local.get 0
    i32.const 1
    i32.add
    local.tee 0))
