;; An offset beyond what a 32-bit memory has is not valid, in code that cannot be reached as well.
(module
  (memory 0)
  (func (result i32)
    unreachable
    memory.atomic.notify offset=34359738367))
