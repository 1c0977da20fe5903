;; wasm2c 1.0.42 with gcc 12.2.0 from -O1 on gives zeros, and ones for `ceil`, where each lane has to be a NaN.
(module
  (func (export "floor") (result v128) (f32x4.floor (v128.const i32x4 0x7fc00001 0xffffffff 0x7fc00001 0x7fc00001)))
  (func (export "ceil") (result v128) (f32x4.ceil (v128.const i32x4 0x7fc00001 0xffffffff 0x7fc00001 0x7fc00001))))
