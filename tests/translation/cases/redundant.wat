;; The second load of the same address is the first one's value; the store ends that.
(module
  (memory 1)
  (func (param i32) (result i32)
    local.get 0
    i32.load
    local.get 0
    i32.load
    i32.add
    local.get 0
    i32.const 1
    i32.store
    local.get 0
    i32.load
    i32.add))
;; ---- translated
;; function func0 -> i32
;; block 0 (v0:i32)
;;   v1:i32 = load [(@i32.load, (2, 0, 0))] v0
;;   v2:i32 = load [(@i32.load, (2, 0, 0))] v0
;;   v3:i32 = i32.add v1 v2
;;   v4:i32 = i32.const [1]
;;   store [(@i32.store, (2, 0, 0))] v0 v4
;;   v5:i32 = load [(@i32.load, (2, 0, 0))] v0
;;   v6:i32 = i32.add v3 v5
;;   return v6
;; ---- simplified
;; function func0 -> i32
;; block 0 (v0:i32)
;;   v1:i32 = load [(@i32.load, (2, 0, 0))] v0
;;   v3:i32 = i32.add v1 v1
;;   v4:i32 = i32.const [1]
;;   store [(@i32.store, (2, 0, 0))] v0 v4
;;   v5:i32 = load [(@i32.load, (2, 0, 0))] v0
;;   v6:i32 = i32.add v3 v5
;;   return v6
