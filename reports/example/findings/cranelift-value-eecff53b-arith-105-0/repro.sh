#!/bin/sh
# Shows the disagreement of this folder by the engines' own command lines: exit status 1 if one of them still shows it.
# Without this project; with it: fuzz replay .
cd "$(dirname "$0")" || exit 2
shown=0

# wasmtime@33.0.0:opt=none, release 33.0.0: value
"${WASMTIME:-wasmtime}" wast -W all-proposals=y -O opt-level=0 case.wast || shown=1

exit $shown
