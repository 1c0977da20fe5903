(module
  (type (;0;) (func (result
      f32 f32 f32 f32 i32 i32 i32 i32 f32 f32 (;10;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;20;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;30;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;40;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;50;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;60;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;70;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;80;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;90;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;100;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;110;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;120;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;130;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;140;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;150;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;160;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;170;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;180;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;190;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;200;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;210;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;220;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;230;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;240;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;250;)
      f32 f32 i32 i32 (;254;))))
  (type (;1;) (func))
  (type (;2;) (func (param f32 f32 f32)))
  (export "a" (func 1))
  (func (;0;) (type 0)
    (result
      f32 f32 f32 f32 i32 i32 i32 i32 f32 f32 (;10;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;20;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;30;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;40;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;50;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;60;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;70;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;80;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;90;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;100;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;110;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;120;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;130;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;140;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;150;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;160;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;170;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;180;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;190;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;200;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;210;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;220;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;230;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;240;)
      f32 f32 f32 f32 f32 f32 f32 f32 f32 f32 (;250;)
      f32 f32 i32 i32 (;254;))
    ref.null 0
    call_ref 0
  )
  (func (;1;) (type 1)
    call 0
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    drop
    call 2
  )
  (func (;2;) (type 2) (param f32 f32 f32)
  )
)

(assert_trap (invoke "a") "null reference")
