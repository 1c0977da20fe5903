;; The payload of an exception: a vector's upper half becomes the number behind it, and the interpreter panics.
(module
  (tag (param v128 i64))
  (func (export "a") (result i64)
    (local i64)
    block (result v128 i64)
      try_table (catch 0 0)
        v128.const i64x2 3 4
        i64.const 5
        throw 0
      end
      unreachable
    end
    local.set 0
    i64x2.extract_lane 1
    i64.const 100
    i64.mul
    local.get 0
    i64.add))
