;; JavaScriptCore in WebKitGTK 2.50.6, every tier: what an element segment holds is made anew by each instruction that uses
;; the segment, so that two references to its one object differ.
(module
  (type $s (struct (field i32)))
  (type $a (array eqref))
  (elem $e eqref (item (struct.new $s (i32.const 233))))
  (func (export "a") (result i32)
    (ref.eq
      (array.get $a (array.new_elem $a $e (i32.const 0) (i32.const 1)) (i32.const 0))
      (array.get $a (array.new_elem $a $e (i32.const 0) (i32.const 1)) (i32.const 0)))))
