;; JavaScriptCore in WebKitGTK 2.50.6, baseline compiler: a shift of constants by the width is folded as C++ does it, to 0.
(module
  (func (export "a") (result i32) (i32.shr_u (i32.const 1) (i32.const 32))))
