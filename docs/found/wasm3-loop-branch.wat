;; wasm3 gives 5 for 7: what a `br` brings to a loop does not get there.
(module
  (func (export "f") (result i32)
    (local $n i32)
    (i32.const 5)
    (loop $l (param i32) (result i32)
      (if (i32.eqz (local.get $n))
        (then
          (local.set $n (i32.const 1))
          (br $l (i32.const 7)))))))
