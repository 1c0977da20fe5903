;; Wasmtime up to 49.0.0 panics at any optimization level: an `if` without `else` whose parameter is a subtype of its
;; result is taken for one that has an `else`.
(module
  (func
    ref.null i31
    ref.as_non_null
    i32.const 0
    if (param (ref i31)) (result anyref)
    end
    unreachable))
