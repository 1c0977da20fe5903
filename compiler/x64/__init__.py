"""x86-64: instruction rows, encoder, lowering rules, calling convention."""
