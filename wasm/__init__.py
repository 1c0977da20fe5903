"""The WebAssembly language: types, instructions, modules, codec, validator, text, embedding values."""
