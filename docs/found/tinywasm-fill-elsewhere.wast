;; TinyWasm 0.10.0 panics ("function not found. This should have been caught by the validator").
(module $table
  (table 0 funcref)
  (func (export "fill") (param i32 funcref i32)
    (table.fill 0 (local.get 0) (local.get 1) (local.get 2))))
(register "table" $table)

(module
  (import "table" "fill" (func $fill (param i32 funcref i32)))
  (func $mine (export "mine")
    (call $fill (i32.const 0) (ref.func $mine) (i32.const 0))))
(assert_return (invoke "mine"))
