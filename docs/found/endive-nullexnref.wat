;; Endive: ``nullexnref`` is no type; the same written as ``(ref null noexn)`` in full, and ``(ref noexn)``, are.
(module (func (param nullexnref)))
