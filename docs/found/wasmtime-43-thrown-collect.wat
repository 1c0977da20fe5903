;; Wasmtime 39.0.0 to 43.0.0: a struct that an exception carries is taken for garbage, if the host collected before it
;; was thrown. Reading a field of it crashes; where it is kept in a table besides, nothing is wrong.
(module
  (type (;0;) (func))
  (type (;1;) (sub (struct (field (mut externref)))))
  (rec
    (type (;2;) (sub 1 (struct (field (mut externref)) (field (mut i8)) (field (mut i32)) (field (mut (ref null 3))) (field (mut f64)) (field (mut structref)) (field (mut externref)))))
    (type (;3;) (sub final 2 (struct (field (mut externref)) (field (mut i8)) (field (mut i32)) (field (mut (ref null 3))) (field (mut f64)) (field (mut structref)) (field (mut externref)) (field i8) (field (mut (ref null 3))))))
  )
  (type (;4;) (sub 2 (struct (field (mut externref)) (field (mut i8)) (field (mut i32)) (field (mut (ref null 3))) (field (mut f64)) (field (mut structref)) (field (mut externref)) (field i16))))
  (type (;5;) (func (param (ref null 4) f64 f64)))
  (type (;6;) (func (param (ref null 4))))
  (type (;7;) (func (result (ref null 4) f64 f64 exnref)))
  (import "collect" "" (func (;0;) (type 0)))
  (tag (;0;) (type 5) (param (ref null 4) f64 f64))
  (export "a" (func 1))
  (func (;1;) (type 0)
    block (;@1;) (type 7) (result (ref null 4) f64 f64 exnref)
      try_table (;@2;) (catch_ref 0 0 (;@1;))
        struct.new_default 4
        call 0
        f64.const 0x0p+0 (;=0.0;)
        f64.const 0x0.000000001p-1022 (;=3.2379e-319;)
        throw 0
      end
      unreachable
    end
    drop
    drop
    drop
    call 2
  )
  (func (;2;) (type 6) (param (ref null 4))
    local.get 0
    struct.get 4 5
    drop
  )
)
