;; An element segment of exnref is refused.
(module
  (elem exnref))
