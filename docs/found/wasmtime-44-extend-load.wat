;; Sixteen bytes are loaded and eight of them are extended: where the other eight are out of bounds, it traps (4.6.8).
(module
  (memory 1)
  (func (export "a") (param i32)
    (if (v128.any_true (i16x8.extend_low_i8x16_s (v128.load align=1 (local.get 0)))) (then))))
