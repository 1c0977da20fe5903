;; Invalid (3.4.2.8): the branch carries a reference, and the label takes none. V8 and JavaScriptCore accept it.
(module
  (func
    (block $l
      (ref.null func)
      (br_on_non_null $l))))
