;; Wasmtime 20.0.0 at its default settings dies of SIGSEGV in a(); 19.0.0 and 21.0.0 return, and so does 20.0.0 at opt=none.
(module
  (type $none (func))
  (type $six (func (param i32 i32 i32 i32 i32 i32)))
  (type $one (func (param i32)))
  (table 4 4 funcref)
  (elem (i32.const 1) func $a $callee)
  (func $callee (type $six))
  (func $caller (type $one)
    i32.const 0
    local.get 0
    i32.const 1
    i32.const 4
    local.get 0
    i32.const 2
    i32.const 2
    return_call_indirect (type $six))
  (func $a (export "a") (type $none)
    i32.const 0
    call $caller))
