"""What is drawn without writing code: constants, operands, types, signatures."""
