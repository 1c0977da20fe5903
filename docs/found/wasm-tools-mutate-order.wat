;; wasm-tools 1.262.0, `mutate --preserve-semantics`, seed 14 among others: the statement between the operands of the first
;; addition is put before both, so that a read of the local that came before it comes after it. 3 becomes 8.
(module
  (func (export "a") (result i32) (local i32)
    local.get 0
    i32.const 5
    local.set 0
    i32.const 1
    i32.add
    i32.const 2
    i32.add))
