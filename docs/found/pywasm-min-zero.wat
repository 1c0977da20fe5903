;; pywasm 2.2.3 takes 0 and -0 for equal, and gives the first of the two.
(module
  (func (export "min") (param f64 f64) (result f64) (f64.min (local.get 0) (local.get 1)))
  (func (export "max") (param f64 f64) (result f64) (f64.max (local.get 0) (local.get 1))))
