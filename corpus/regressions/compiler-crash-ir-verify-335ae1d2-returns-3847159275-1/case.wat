(module
  (type (;0;) (func (result i32)))
  (memory (;0;) 0)
  (func (;0;) (type 0) (result i32)
    block (;@1;) (result i32)
      i32.const 0
      i32.load8_u
      loop (;@2;)
      end
      i32.const 0
      i32.or
    end
  )
)
