(module
  (memory 1)
  (func $order (param $a i32) (param $b i32) (result i32 i32)
    (if (result i32 i32) (i32.lt_u (local.get $a) (local.get $b))
      (then (local.get $a) (local.get $b))
      (else (local.get $b) (local.get $a))))
  (func (export "scale") (param $end i32) (param $by i32) (result i32) (local $least i32)
    (local.set $least (i32.const -1))
    (loop $next
      (call $order (local.get $least) (i32.load (local.get $end)))
      (drop)
      (local.set $least)
      (br_if $next (local.tee $end (i32.sub (local.get $end) (i32.const 4)))))
    (i32.div_u (local.get $least) (local.get $by))))
