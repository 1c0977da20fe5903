;; Wasmtime 20.0.0 to 50.0.1 panic (assertion failed: fault.is_none(), runtime/store.rs) where an access is out of bounds
;; of a shared memory that several instances of a store have. It traps where the memory is the module's own or the host's
;; alone, and where it is not shared.
(module
  (import "env" "m" (memory 1 1 shared))
  (func (export "a") (result i32)
    (i32.load (i32.const 65536))))
