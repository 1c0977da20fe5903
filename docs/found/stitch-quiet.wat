;; Stitch 0.1.0 gives a signaling NaN back as it is; the result has to be a quiet one.
(module
  (func (export "ceil") (param f64) (result f64) (f64.ceil (local.get 0)))
  (func (export "floor") (param f64) (result f64) (f64.floor (local.get 0)))
  (func (export "trunc") (param f64) (result f64) (f64.trunc (local.get 0))))
