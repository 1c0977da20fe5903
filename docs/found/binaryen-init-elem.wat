;; Binaryen's interpreter: array.init_elem reads from the segment's beginning, whatever the offset is: 7 in place of 8.
(module
  (type $array (array (mut i31ref)))
  (elem $segment i31ref (item i32.const 7  ref.i31) (item i32.const 8  ref.i31))
  (func (export "second") (result i32)
    (local $a (ref null $array))
    i32.const 1  array.new_default $array  local.tee $a
    i32.const 0  i32.const 1  i32.const 1  array.init_elem $array $segment
    local.get $a  i32.const 0  array.get $array  i31.get_u))
