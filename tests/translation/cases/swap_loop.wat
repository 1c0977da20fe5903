;; A loop that swaps two locals: its header has one parameter for each local that it assigns, and no other.
(module
  (func (param i32 i64 i64) (result i64)
    (local i64)
    loop
      local.get 1
      local.get 2
      local.set 1
      local.set 2
      local.get 0
      i32.const 1
      i32.sub
      local.tee 0
      br_if 0
    end
    local.get 1
    local.get 3
    i64.add))
;; ---- translated
;; function func0 -> i64
;; block 0 (v0:i32 v1:i64 v2:i64)
;;   v8:i64 = i64.const [0]
;;   jump 1(v0 v1 v2)
;; block 1 (v3:i32 v4:i64 v5:i64)
;;   v6:i32 = i32.const [1]
;;   v7:i32 = i32.sub v3 v6
;;   branch v7 3() 4()
;; block 2
;;   v9:i64 = i64.add v5 v8
;;   return v9
;; block 3
;;   jump 1(v7 v5 v4)
;; block 4
;;   jump 2()
;; ---- simplified
;; function func0 -> i64
;; block 0 (v0:i32 v1:i64 v2:i64)
;;   jump 1(v0 v1 v2)
;; block 1 (v3:i32 v4:i64 v5:i64)
;;   v6:i32 = i32.const [1]
;;   v7:i32 = i32.sub v3 v6
;;   branch v7 1(v7 v5 v4) 2()
;; block 2
;;   return v5
