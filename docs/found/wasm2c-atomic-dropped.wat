;; wasm2c 1.0.42, its C compiled by gcc at -O1 or more: f(65536) gives something; it has to trap.
(module
  (memory 1 1)
  (func (export "f") (param i32)
    (i32.store8 (local.get 0) (i32.atomic.rmw8.add_u (local.get 0) (i32.const 1)))))
