;; A function that a table's initial value names may be named by ref.func (3.5.13). JavaScriptCore refuses it.
(module
  (table 0 funcref (ref.func 0))
  (func (ref.func 0) drop))
