;; Two instances of a store have the memory: the one that defines it, and one that is made for the import.
(module $owner (memory (export "m") 1 1 shared))
(register "env" $owner)
(module
  (import "env" "m" (memory 1 1 shared))
  (func (export "a") (result i32)
    (i32.load (i32.const 65536))))
(assert_trap (invoke "a") "out of bounds memory access")
