;; Ten loops, each from a count to a checksum: what benchmarks/compiler.py times.
(module
  (memory 32)
  (type $step (func (param i32) (result i32)))
  (table funcref (elem $double $triple $flip $same))
  (func $double (type $step) (i32.shl (local.get 0) (i32.const 1)))
  (func $triple (type $step) (i32.mul (local.get 0) (i32.const 3)))
  (func $flip (type $step) (i32.xor (local.get 0) (i32.const 0x5bd1e995)))
  (func $same (type $step) (local.get 0))

  (func (export "lcg") (param $n i32) (result i64) (local $x i32)
    (local.set $x (i32.const 12345))
    (loop $l
      (local.set $x (i32.rotl (i32.add (i32.mul (local.get $x) (i32.const 1664525)) (i32.const 1013904223)) (i32.const 5)))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i64.extend_i32_u (local.get $x)))

  (func (export "mix64") (param $n i32) (result i64) (local $a i64) (local $b i64) (local $c i64)
    (local.set $a (i64.const 0x9e3779b97f4a7c15))
    (loop $l
      (local.set $b (i64.xor (local.get $b) (i64.shr_u (local.get $a) (i64.const 30))))
      (local.set $a (i64.add (i64.mul (local.get $a) (i64.const 0xbf58476d1ce4e5b9)) (local.get $b)))
      (local.set $c (i64.or (i64.rotl (local.get $c) (i64.const 7)) (i64.and (local.get $a) (local.get $b))))
      (local.set $b (i64.sub (local.get $b) (local.get $c)))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i64.xor (local.get $a) (i64.xor (local.get $b) (local.get $c))))

  (func (export "sieve") (param $n i32) (result i64) (local $i i32) (local $j i32) (local $count i64)
    (memory.fill (i32.const 0) (i32.const 0) (local.get $n))
    (local.set $i (i32.const 2))
    (loop $outer
      (if (i32.eqz (i32.load8_u (local.get $i)))
        (then
          (local.set $count (i64.add (local.get $count) (i64.const 1)))
          (local.set $j (i32.add (local.get $i) (local.get $i)))
          (block $done
            (loop $inner
              (br_if $done (i32.ge_u (local.get $j) (local.get $n)))
              (i32.store8 (local.get $j) (i32.const 1))
              (local.set $j (i32.add (local.get $j) (local.get $i)))
              (br $inner)))))
      (br_if $outer (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    (local.get $count))

  (func (export "copy") (param $n i32) (result i64) (local $i i32) (local $sum i64)
    (loop $again
      (local.set $i (i32.const 0))
      (loop $l
        (i64.store offset=65536 (local.get $i) (i64.add (i64.load (local.get $i)) (i64.extend_i32_u (local.get $n))))
        (local.set $sum (i64.add (local.get $sum) (i64.load offset=65536 (local.get $i))))
        (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 8))) (i32.const 32768))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))

  (func (export "matmul") (param $n i32) (result i64) (local $i i32) (local $j i32) (local $k i32) (local $s f64)
    (loop $rows
      (local.set $j (i32.const 0))
      (loop $columns
        (local.set $k (i32.const 0))
        (local.set $s (f64.convert_i32_u (local.get $j)))
        (loop $dot
          (local.set $s (f64.add (local.get $s) (f64.mul
            (f64.load offset=131072 (i32.shl (i32.add (i32.mul (local.get $i) (local.get $n)) (local.get $k)) (i32.const 3)))
            (f64.load offset=262144 (i32.shl (i32.add (i32.mul (local.get $k) (local.get $n)) (local.get $j)) (i32.const 3))))))
          (br_if $dot (i32.lt_u (local.tee $k (i32.add (local.get $k) (i32.const 1))) (local.get $n))))
        (f64.store offset=393216
          (i32.shl (i32.add (i32.mul (local.get $i) (local.get $n)) (local.get $j)) (i32.const 3)) (local.get $s))
        (br_if $columns (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1))) (local.get $n))))
      (br_if $rows (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get $n))))
    (i64.reinterpret_f64 (local.get $s)))

  (func (export "mandelbrot") (param $n i32) (result i64)
    (local $row i32) (local $i i32) (local $x f64) (local $y f64) (local $cx f64) (local $t f64) (local $sum i64)
    (local.set $row (local.get $n))
    (loop $rows
      (local.set $cx (f64.sub (f64.div (f64.convert_i32_u (local.get $row)) (f64.convert_i32_u (local.get $n)))
        (f64.const 1.5)))
      (local.set $x (f64.const 0)) (local.set $y (f64.const 0)) (local.set $i (i32.const 200))
      (block $out
        (loop $l
          (local.set $t (f64.add (f64.sub (f64.mul (local.get $x) (local.get $x)) (f64.mul (local.get $y) (local.get $y)))
            (local.get $cx)))
          (local.set $y (f64.add (f64.mul (f64.mul (local.get $x) (local.get $y)) (f64.const 2)) (f64.const 0.1)))
          (local.set $x (local.get $t))
          (br_if $out (f64.gt (f64.add (f64.mul (local.get $x) (local.get $x)) (f64.mul (local.get $y) (local.get $y)))
            (f64.const 4)))
          (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1))))))
      (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (local.get $i))))
      (br_if $rows (local.tee $row (i32.sub (local.get $row) (i32.const 1)))))
    (local.get $sum))

  (func (export "gcd") (param $n i32) (result i64) (local $a i32) (local $b i32) (local $t i32) (local $sum i64)
    (loop $l
      (local.set $a (i32.mul (local.get $n) (i32.const 7919)))
      (local.set $b (i32.add (local.get $n) (i32.const 1000003)))
      (loop $euclid
        (local.set $t (i32.rem_u (local.get $a) (local.get $b)))
        (local.set $a (local.get $b))
        (br_if $euclid (local.tee $b (local.get $t))))
      (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (local.get $a))))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))

  (func $fib (param $n i32) (result i32)
    (if (result i32) (i32.lt_u (local.get $n) (i32.const 2))
      (then (local.get $n))
      (else (i32.add (call $fib (i32.sub (local.get $n) (i32.const 1)))
                     (call $fib (i32.sub (local.get $n) (i32.const 2)))))))
  (func (export "fib") (param $n i32) (result i64) (i64.extend_i32_u (call $fib (local.get $n))))

  (func (export "indirect") (param $n i32) (result i64) (local $x i32)
    (loop $l
      (local.set $x (i32.add (call_indirect (type $step) (local.get $x) (i32.and (local.get $n) (i32.const 3)))
        (local.get $n)))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i64.extend_i32_u (local.get $x)))

  (func (export "simd") (param $n i32) (result i64) (local $i i32) (local $sum v128)
    (loop $again
      (local.set $i (i32.const 0))
      (loop $l
        (local.set $sum (i32x4.add (local.get $sum) (i32x4.mul
          (v128.load (local.get $i))
          (i32x4.add (v128.load offset=16 (local.get $i)) (i32x4.splat (local.get $n))))))
        (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 32))) (i32.const 32768))))
      (br_if $again (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i64.xor (i64x2.extract_lane 0 (local.get $sum)) (i64x2.extract_lane 1 (local.get $sum)))))
