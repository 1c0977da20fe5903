;; The type index in the type of a select is taken for an instruction: 0 is unreachable.
(module
  (type (func (result i32)))
  (func $f (export "f") (type 0) i32.const 7)
  (func (export "a") (result i32)
    ref.func $f
    ref.func $f
    i32.const 0
    select (result (ref 0))
    call_ref 0))
