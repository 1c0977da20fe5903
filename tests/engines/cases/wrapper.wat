; What links a module and calls it. ``f`` is called through a wrapper, which loads numbers and takes references from a
; table, keeps every result in a slot, and catches the module's tag: then its payload is in the slots and the answer 1.
(module
  (tag (export "t") (param i64))
  (func (export "f") (param i32 externref) (result f64 funcref) unreachable))
; ---- wrapper of f
(module
  (type (;0;) (func (param i32 externref) (result f64 funcref)))
  (type (;1;) (func (param i64)))
  (type (;2;) (func (result i32)))
  (type (;3;) (func (result f64 funcref)))
  (type (;4;) (func (result i64)))
  (import "m" "f" (func (;0;) (type 0) (param i32 externref) (result f64 funcref)))
  (import "m" "t0" (tag (;0;) (type 1) (param i64)))
  (table (;0;) 4 externref)
  (table (;1;) 4 funcref)
  (memory (;0;) 1)
  (export "call" (func 1))
  (export "memory" (memory 0))
  (export "e" (table 0))
  (export "c" (table 1))
  (func (;1;) (type 2) (result i32)
    (local f64 funcref i64)
    block (;@1;) (type 4) (result i64)
      try_table (;@2;) (type 3) (result f64 funcref) (catch 0 0 (;@1;))
        i32.const 0
        i32.load
        i32.const 1
        table.get 0
        call 0
      end
      local.set 1
      local.set 0
      i32.const 0
      local.get 0
      f64.store offset=32
      i32.const 0
      local.get 1
      ref.is_null
      i32.eqz
      i32.store offset=48
      i32.const 3
      local.get 1
      table.set 1
      i32.const 0
      return
    end
    local.set 2
    i32.const 0
    local.get 2
    i64.store offset=32
    i32.const 1
    return
    unreachable
  )
)
