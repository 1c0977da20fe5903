;; Stitch 0.1.0 accepts segments with flags that there are not.
(module binary
  "\00asm\01\00\00\00"
  "\01\04\01\60\00\00"              ;; one type: a function of nothing
  "\03\02\01\00"                    ;; one function of it
  "\04\04\01\70\00\00"              ;; one table
  "\07\05\01\01f\00\00"             ;; the function is exported as f
  "\09\06\01\40\41\00\0b\00"        ;; one element segment, flags 40
  "\0a\04\01\02\00\0b"              ;; the function's code
  "\0b\03\01\0b\00")                ;; one data segment, flags 0b
