;; Endive: the expressions of passive and declared element segments are not validated.
(module (elem i31ref (item f32.const 0)))
