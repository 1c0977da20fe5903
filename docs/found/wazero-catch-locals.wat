;; A local that was changed in a try_table has its old value where the exception is caught.
(module
  (tag)
  (func (export "a") (result i32)
    (local i32)
    block
      try_table (catch 0 0)
        i32.const 1
        local.set 0
        throw 0
      end
    end
    local.get 0))
