;; JavaScriptCore's optimising compiler reads two bytes where the module loads four and extends the lower two: where the
;; other two are out of bounds, there is no trap.
(module
  (memory 1 1 shared)
  (func (export "a") (param i32) (result i32)
    (i32.extend16_s (i32.load offset=65531 align=1 (local.get 0)))))
