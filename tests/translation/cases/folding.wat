;; Constants fold by the instruction table's own semantics; a division that would trap stays.
(module
  (func (param i32) (result i32)
    i32.const 6
    i32.const 7
    i32.mul
    local.get 0
    i32.const 0
    i32.add
    i32.const 1
    i32.const 0
    i32.div_u
    i32.add
    i32.add))
;; ---- translated
;; function func0 -> i32
;; block 0 (v0:i32)
;;   v1:i32 = i32.const [6]
;;   v2:i32 = i32.const [7]
;;   v3:i32 = i32.mul v1 v2
;;   v4:i32 = i32.const [0]
;;   v5:i32 = i32.add v0 v4
;;   v6:i32 = i32.const [1]
;;   v7:i32 = i32.const [0]
;;   v8:i32 = i32.div_u v6 v7
;;   v9:i32 = i32.add v5 v8
;;   v10:i32 = i32.add v3 v9
;;   return v10
;; ---- simplified
;; function func0 -> i32
;; block 0 (v0:i32)
;;   v3:i32 = i32.const [42]
;;   v4:i32 = i32.const [0]
;;   v6:i32 = i32.const [1]
;;   v8:i32 = i32.div_u v6 v4
;;   v9:i32 = i32.add v0 v8
;;   v10:i32 = i32.add v3 v9
;;   return v10
