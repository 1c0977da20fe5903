;; Invalid, and accepted: a reference to a function of one type is taken where another type's is asked for.
(module
  (type $none (func (result i64)))
  (type $one (func (param i64) (result i64)))
  (func $f (type $one) local.get 0)
  (elem declare func $f)
  (func (export "a") (result i64)
    ref.func $f
    call_ref $none))
