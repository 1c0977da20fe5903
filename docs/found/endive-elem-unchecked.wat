;; Endive: the expressions of passive and declared element segments are not validated, and those of active ones for the
;; table's type, where the segment's counts.
(module (elem i31ref (item f32.const 0)))
