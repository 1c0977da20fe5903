;; wasmi 2.0.0: a br_table with several values does not move them, if all of its labels are at one height.
(module
  (func (export "f") (param i32) (result i32)
    (block (result i32 i32)
      (block (result i32 i32)
        (i32.const 1)
        (i32.const 2)
        (i32.const 3)
        (br_table 0 1 (local.get 0))))
    (drop)))
