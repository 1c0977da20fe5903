;; Functions of modules whose instantiation fails stay in the tables of others (4.7.2).
(module $table
  (type $f (func (result i32)))
  (table (export "t") 2 funcref)
  (func (export "call") (param i32) (result i32) (call_indirect (type $f) (local.get 0))))
(register "table" $table)
(assert_trap
  (module
    (import "table" "t" (table 2 funcref))
    (func $f (result i32) (i32.const 1))
    (elem (i32.const 0) $f)
    (elem (i32.const 2) $f))
  "out of bounds table access")
(assert_return (invoke $table "call" (i32.const 0)) (i32.const 1))
(assert_trap
  (module
    (import "table" "t" (table 2 funcref))
    (func $f (result i32) (i32.const 2))
    (elem (i32.const 1) $f)
    (func $start (unreachable))
    (start $start))
  "unreachable")
(assert_return (invoke $table "call" (i32.const 1)) (i32.const 2))
