;; 1 for 0: a branch to the label of try_table goes to where its handlers begin, as if something had been thrown.
(module
  (func (export "f") (result i32)
    (block $handler
      (try_table (catch_all $handler)
        (br 0))
      (return (i32.const 0)))
    (i32.const 1)))
