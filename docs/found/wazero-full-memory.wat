;; A memory of 65,536 pages has none for the compiler: its size is 0, and every access traps.
(module
  (memory 65536)
  (func (export "a") (result i32)
    memory.size)
  (func (export "b") (param i32) (result i32)
    local.get 0
    i32.load8_u))
