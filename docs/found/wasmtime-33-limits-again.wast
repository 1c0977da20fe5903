;; Wasmtime 0.28.1 to 33.0.0 take a memory or a table that is exported again for one of the type that the module in
;; between declared its import at, and refuse the last module: incompatible import type (spec 4.7.2 and 7.1.5: what is
;; imported is the memory or the table itself, with its own limits).
(module (memory (export "m") 1 3) (table (export "t") 2 2 funcref))
(register "home")
(module (import "home" "m" (memory 0)) (import "home" "t" (table 1 4 funcref)) (export "m" (memory 0)) (export "t" (table 0)))
(register "middle")
(module (import "middle" "m" (memory 1 3)))
(module (import "middle" "t" (table 2 2 funcref)))
