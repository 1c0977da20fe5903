;; wasm-interp 1.0.42 ends by std::length_error: the frame of $g is that of $f, which counts from no parameters, so that
;; catching the exception takes what $g was given from the stack.
(module
  (tag $e)
  (func $g (param i32) (result i32)
    (block $caught
      (try_table (catch $e $caught)
        (throw $e)))
    (local.get 0))
  (func $f (result i32)
    (return_call $g (i32.const 5)))
  (func (export "f") (result i32)
    (local i32)
    (local.set 0 (i32.const 7))
    (call $f)))
