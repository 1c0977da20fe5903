;; wasm3 gives 2, for 3: a br_if with a float that is not taken loses the float below it.
(module
  (func (export "f") (result f64)
    (local f64)
    (block (result f64)
      (f64.add (local.get 0) (f64.const 1))
      (f64.const 2)
      (br_if 0 (i32.const 0))
      (f64.add))))
