;; TinyWasm 0.10.0 gives 0, for 1: a local of a reference type begins as a reference to item 0.
(module
  (func (export "f") (result i32) (local externref)
    (ref.is_null (local.get 0))))
