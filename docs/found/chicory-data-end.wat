(module (memory 65536) (data (i32.const -64) ""))
