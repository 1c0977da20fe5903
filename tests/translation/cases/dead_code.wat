;; Code behind a branch is skipped, blocks in it included; an if with constant condition loses an arm.
(module
  (func (param i32) (result i32)
    block
      br 0
      block (result i32)
        unreachable
      end
      drop
    end
    i32.const 1
    if (result i32)
      local.get 0
    else
      local.get 0
      i32.eqz
    end))
;; ---- translated
;; function func0 -> i32
;; block 0 (v0:i32)
;;   jump 1()
;; block 1
;;   v1:i32 = i32.const [1]
;;   branch v1 2() 3()
;; block 2
;;   jump 4(v0)
;; block 3
;;   v3:i32 = i32.eqz v0
;;   jump 4(v3)
;; block 4 (v2:i32)
;;   return v2
;; ---- simplified
;; function func0 -> i32
;; block 0 (v0:i32)
;;   return v0
