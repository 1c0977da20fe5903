;; pywasm 2.2.3 raises OverflowError where the quotient is 2^63 or more.
(module
  (func (export "f") (param i64 i64) (result i64) (i64.div_u (local.get 0) (local.get 1))))
