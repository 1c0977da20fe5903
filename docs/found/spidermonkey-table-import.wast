;; An import of a table of references that are never null. The last module is refused: "table with non-nullable
;; references requires initializer", which a table of a module's own does (3.5.5); of an import only the type counts
;; (3.5.11).
(module $first
  (type (func))
  (func $f (type 0))
  (table (export "t") 1 2 (ref 0) (ref.func $f)))
(register "first" $first)
(module
  (type (func))
  (import "first" "t" (table 1 2 (ref 0))))
