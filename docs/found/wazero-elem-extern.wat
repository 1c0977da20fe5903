;; Invalid, and accepted: a function as an item of a segment of (ref extern).
(module
  (type (func))
  (func (type 0))
  (elem (ref extern) (ref.func 0)))
