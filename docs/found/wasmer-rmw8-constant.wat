;; Singlepass does not compile it: "can't emit MOVZX S8 Imm64(1) S64 GPR(RAX)".
(module
  (memory 1)
  (func (export "a") (result i64) (i64.atomic.rmw8.add_u (i32.const 0) (i64.const 1))))
