;; Stitch 0.1.0 accepts a function whose size says that something comes behind its `end`.
(module binary
  "\00asm\01\00\00\00"
  "\01\04\01\60\00\00"      ;; one type: a function of nothing
  "\03\02\01\00"            ;; one function of it
  "\07\05\01\01f\00\00"     ;; it is exported as f
  "\0a\05\01\03\00\0b\00")  ;; its code of 3 bytes: no locals, end, and 00
