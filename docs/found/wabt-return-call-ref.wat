;; wasm-interp 1.0.42 gives 1: return_call_ref leaves what the caller's frame had on the stack.
(module
  (type $t (func (param i32)))
  (func $g (type $t))
  (elem declare func $g)
  (func $f (type $t)
    (return_call_ref $t (i32.const 5) (ref.func $g)))
  (func (export "f") (result i32)
    (local i32)
    (local.set 0 (i32.const 7))
    (call $f (i32.const 1))
    (local.get 0)))
