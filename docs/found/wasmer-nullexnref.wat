;; A type of the exceptions that Wasmer's Cranelift says it supports: panic. A global of this type is another one.
(module
  (type (func (param nullexnref))))
