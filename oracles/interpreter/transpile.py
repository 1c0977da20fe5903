from __future__ import annotations
def compile_function(func): return False
def compile_loop(func, loop):
    loop.cold = True
    return None
