;; wabt 1.0.42 refuses it: a payload that is never null, caught at a label whose result may be null.
(module
  (type $t (func))
  (tag $e (param (ref $t)))
  (func (export "a") (result (ref null $t))
    (block $l (result (ref null $t))
      (try_table (catch $e $l))
      (unreachable))))
