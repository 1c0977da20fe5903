;; Endive: the length of ``array.fill`` is a signed number: 2^32 - 1 elements do not trap. So it is in ``array.copy``,
;; ``array.init_data`` and ``array.init_elem``; ``array.new_data`` and ``array.new_elem`` crash.
(module
  (type $bytes (array (mut i8)))
  (func (export "fill") (param i32 i32)
    i32.const 4  array.new_default $bytes  local.get 0  i32.const 7  local.get 1  array.fill $bytes))
