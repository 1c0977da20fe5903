;; Binaryen 132: an `if` in unreachable code whose body is a branch to it is refused.
(module
  (func (export "a") (result i32)
    unreachable
    if
      br 0
    end))
