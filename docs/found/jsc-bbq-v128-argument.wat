;; JavaScriptCore in bun 1.3.12 to 1.3.14, baseline compiler: the first call of a function through a table loses the upper
;; half of a v128 argument, while the function is compiled.
(module
  (type (;0;) (func (param v128) (result i64)))
  (type (;1;) (func (result i64)))
  (table (;0;) 2 funcref)
  (export "a" (func 2))
  (elem (;0;) (i32.const 0) func 0 1)
  (func (;0;) (type 0) (param v128) (result i64)
    (local i64 v128)
    local.get 0
    local.set 2
    local.get 2
    i64x2.extract_lane 1
    local.set 1
    local.get 1
  )
  (func (;1;) (type 0) (param v128) (result i64)
    i64.const 0
  )
  (func (;2;) (type 1) (result i64)
    (local i64 i32)
    table.size 0
    local.set 1
    block (;@1;)
      loop (;@2;)
        local.get 1
        i32.eqz
        br_if 1 (;@1;)
        local.get 1
        i32.const 1
        i32.sub
        local.set 1
        v128.const i32x4 0x00000000 0x00000000 0x00000001 0x00000000
        local.get 1
        call_indirect (type 0) (param v128) (result i64)
        local.set 0
        br 0 (;@2;)
      end
    end
    local.get 0
  )
)
