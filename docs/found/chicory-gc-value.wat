(module
  (type (;0;) (array (mut (ref null 0))))
  (type (;1;) (sub (struct (field (ref null 0)) (field f32) (field i16) (field (mut (ref extern))))))
  (type (;2;) (func (param anyref) (result i32)))
  (type (;3;) (func (param (ref null 1)) (result i32)))
  (type (;4;) (func (result i32)))
  (type (;5;) (func (param externref) (result i32)))
  (table (;0;) 6 anyref)
  (export "a" (func 2))
  (elem (;0;) (table 0) (i32.const 0) anyref (ref.null any) (item i32.const 1700466302 ref.i31) (item i32.const 4 array.new_default 0) (item ref.null 0 array.new_fixed 0 1 i32.const 6 array.new 0 f32.const 0x1p+31 (;=2147483648.0;) i32.const 65536 i32.const 65535 ref.i31 extern.convert_any any.convert_extern extern.convert_any struct.new 1))
  (func (;0;) (type 2) (param anyref) (result i32)
    (local i32)
    block (;@1;) (result anyref)
      local.get 0
      br_on_cast_fail 0 (;@1;) (ref null any) (ref i31)
      i31.get_s
      local.set 1
      ref.null any
    end
    drop
    local.get 0
    call 3
    local.get 1
    i32.xor
    local.set 1
    local.get 1
  )
  (func (;1;) (type 3) (param (ref null 1)) (result i32)
    (local i32)
    local.get 0
    struct.get 1 3
    call 4
    local.set 1
    local.get 1
  )
  (func (;2;) (type 4) (result i32)
    (local i32)
    i32.const 3
    table.get 0
    call 0
    local.set 0
    local.get 0
  )
  (func (;3;) (type 2) (param anyref) (result i32)
    (local i32)
    block (;@1;) (result anyref)
      local.get 0
      br_on_cast_fail 0 (;@1;) (ref null any) (ref 1)
      call 1
      local.set 1
      ref.null any
    end
    drop
    local.get 1
  )
  (func (;4;) (type 5) (param externref) (result i32)
    (local i32)
    local.get 0
    any.convert_extern
    call 0
    local.set 1
    local.get 1
  )
)
