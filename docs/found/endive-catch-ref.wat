(module
  (tag $t)
  (func (export "a")
    block $l (result (ref exn))
      try_table (catch_ref $t $l)
      end
      unreachable
    end
    drop))
