;; A call under try_table ends its block; the results live on the normal edge only.
(module
  (tag (param i32))
  (func (param i32) (result i32 i32) local.get 0 local.get 0)
  (func (param i32) (result i32)
    block (result i32)
      block
        try_table (catch 0 1) (catch_all 0)
          local.get 0
          call 0
          i32.add
          return
        end
        unreachable
      end
      i32.const 7
    end))
;; ---- translated
;; function func1 -> i32
;; block 0 (v0:i32)
;;   try v2:i32 v3:i32 = call [0] v0 => 3() catch 0:4 all:5
;; block 1 (v1:i32)
;;   return v1
;; block 2
;;   v8:i32 = i32.const [7]
;;   jump 1(v8)
;; block 3
;;   v7:i32 = i32.add v2 v3
;;   return v7
;; block 4
;;   v4:i64 = caught
;;   v5:i32 = payload [(0, 0)] v4
;;   jump 1(v5)
;; block 5
;;   v6:i64 = caught
;;   jump 2()
;; ---- simplified
;; function func1 -> i32
;; block 0 (v0:i32)
;;   try v2:i32 v3:i32 = call [0] v0 => 2() catch 0:3 all:4
;; block 1 (v1:i32)
;;   return v1
;; block 2
;;   v7:i32 = i32.add v2 v3
;;   return v7
;; block 3
;;   v4:i64 = caught
;;   v5:i32 = payload [(0, 0)] v4
;;   jump 1(v5)
;; block 4
;;   v8:i32 = i32.const [7]
;;   jump 1(v8)
