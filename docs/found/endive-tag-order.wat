;; Endive: a tag section may stand anywhere, and more than once: here behind the code, for its place is between memories
;; and globals.
(module binary
  "\00asm\01\00\00\00"
  "\01\04\01\60\00\00"      ;; one type: a function of nothing
  "\03\02\01\00"            ;; one function of it
  "\0a\04\01\02\00\0b"      ;; its code
  "\0d\03\01\00\00")        ;; one tag of it
