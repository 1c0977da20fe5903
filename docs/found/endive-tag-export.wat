;; Endive: of what is exported tags are not looked up: there is none here.
(module (export "a" (tag 0)))
