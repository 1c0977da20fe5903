;; A select of exnref is refused.
(module
  (func (export "a") (result i32)
    ref.null exn
    ref.null exn
    i32.const 0
    select (result exnref)
    ref.is_null))
