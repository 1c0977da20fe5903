#!/bin/sh
# Shows the disagreement of this folder by the engines' own command lines: exit status 1 if one of them still shows it.
# Without this project; with it: fuzz replay .
cd "$(dirname "$0")" || exit 2
shown=0

# compiler, release 1: crash
echo 'compiler has no command line of its own: fuzz replay .'

exit $shown
