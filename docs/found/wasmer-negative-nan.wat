;; neg inverts a NaN's sign (4.3.3), and abs clears it: whatever NaN 0/0 gives, the result's sign is set.
(module
  (func (export "a") (result f64) (local f64)
    (local.set 0 (f64.neg (f64.abs (f64.div (f64.const 0) (f64.const 0)))))
    (local.get 0)))
