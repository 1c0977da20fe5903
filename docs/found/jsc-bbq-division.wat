;; JavaScriptCore in WebKitGTK 2.50.6 and bun 1.3.1, baseline compiler: a remainder, or an unsigned division, of constants
;; traps where a signed division would.
(module
  (func (export "a") (result i64) (i64.rem_s (i64.const 0x8000000000000000) (i64.const -1)))
  (func (export "b") (result i64) (i64.div_u (i64.const 0x8000000000000000) (i64.const -1))))
