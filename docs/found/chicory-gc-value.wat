(module
  (type $s (struct (field i31ref)))
  (global $g (ref $s) (struct.new $s (ref.i31 (i32.const 5))))
  (func (export "a") (result i32) (i31.get_s (struct.get $s 0 (global.get $g)))))
