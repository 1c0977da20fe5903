;; A token of the host's that becomes an anyref and is tested for a type of the module. A build with debug assertions ends
;; with "assertion failed: x < u32::MAX"; the wheel's code gives the right answer, 0.
(module
  (type $a (array (mut f32)))
  (func (export "a") (param externref) (result i32)
    (ref.test (ref $a) (any.convert_extern (local.get 0)))))
