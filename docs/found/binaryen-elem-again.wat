;; Binaryen's interpreter: the expressions of an element segment are evaluated each time that it is read: two objects in
;; place of one.
(module
  (type $object (struct))
  (type $array (array eqref))
  (elem $segment eqref (item struct.new $object))
  (func $first (result eqref) i32.const 0  i32.const 1  array.new_elem $array $segment  i32.const 0  array.get $array)
  (func (export "same") (result i32) call $first  call $first  ref.eq))
