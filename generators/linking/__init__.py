"""One program over several modules: what a target makes as one module is split, and means the same as before.

    (module (memory 1) (func $grow ...) (func (export "f") ... call $grow  i32.load ...))        becomes

    m 0  (module (memory (export "m 0") 1))
    m 1  (module (import "m 0" "m 0" (memory 0)) (func (export "f 0") ...) (export "m 0" (memory 0)))
    (module (import "m 1" "m 0" (memory 1)) (import "m 1" "f 0" (func $grow)) (func (export "f") ...))

``outlining``   single instructions become functions, so that an item is grown here and accessed there
``levels``      which module has what: an item's *level* is the position of its module, the last one is the case's own
``splitting``   the modules of given levels: imports, re-exports, types that an import is declared at
``halves``      modules between these whose segments write into what the others have and then trap
``shared``      memories that become shared ones

Segments, the start function and functions of the host are the last module's. A function that calls one of a later
module does so through a table that all of them share. Everything else can be anywhere, so that each instruction that
touches a memory, a table, a global or a tag meets every origin: its own, one of another instance, one that was exported
again, one that is the host's. What is new for one of the other targets is new here, too.
"""
