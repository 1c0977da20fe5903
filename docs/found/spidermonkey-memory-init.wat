;; The segment is gone and nothing is copied, but the destination lies beyond the memory's end: it traps (4.6.8).
(module
  (memory 1)
  (data $d "7")
  (func (export "a")
    (data.drop $d)
    (memory.init $d (i32.const 65537) (i32.const 0) (i32.const 0))))
