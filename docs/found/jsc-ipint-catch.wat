;; JavaScriptCore in bun 1.2.11 to 1.3.5, interpreter: what a function throws that is called through a table and has
;; results is not caught.
(module
  (type (;0;) (func))
  (type (;1;) (func (result i32 i32 f32)))
  (table (;0;) 2 funcref)
  (tag (;0;) (type 0))
  (export "a" (func 1))
  (elem (;0;) (i32.const 1) func 0)
  (func (;0;) (type 1) (result i32 i32 f32)
    throw 0
    unreachable
  )
  (func (;1;) (type 0)
    (local i32 i32 f32)
    block (;@1;) (type 1) (result i32 i32 f32)
      block (;@2;)
        try_table (;@3;) (type 1) (result i32 i32 f32) (catch_all 0 (;@2;))
          i32.const 1
          call_indirect (type 1) (result i32 i32 f32)
        end
        br 1 (;@1;)
      end
      unreachable
    end
    local.set 2
    local.set 1
    local.set 0
  )
)
