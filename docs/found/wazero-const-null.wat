;; Invalid, and accepted: null as the value of a global that cannot be null.
(module
  (type (func))
  (func (type 0))
  (global (ref 0) (ref.null func))
  (func (export "a") (result i32)
    global.get 0
    ref.is_null))
