#!/bin/sh
# Shows the disagreement of this folder by the engines' own command lines. Exit status 1: one of them still shows it;
# 0: all that could be run are right; 125: none could be run (git bisect's word). Without this project; with it:
# fuzz replay .
cd "$(dirname "$0")" || exit 125
shown=0
ran=0

# judge STATUS WRONG...: what a command's status says: 0 is right; WRONG, a time-out and a death by a signal show it.
judge() {
  status=$1
  shift
  for wrong in "$@" 124; do
    if [ "$status" -eq "$wrong" ]; then ran=1 shown=1; return; fi
  done
  if [ "$status" -eq 0 ]; then ran=1
  elif [ "$status" -gt 128 ]; then ran=1 shown=1
  else echo "could not be run (exit status $status)"
  fi
}

# have PROGRAM VARIABLE: whether a program is here.
have() {
  command -v "$1" > /dev/null 2>&1 && return
  echo "$1 is not here: install it, or set $2 to its path"
  return 1
}

# wasmtime@33.0.0:build=regalloc2-0.12.1, release 33.0.0+regalloc2-0.12.1: crash
echo 'a build of one'"'"'s own is a library without a command line: fuzz replay .'

[ "$shown" -eq 1 ] && exit 1
[ "$ran" -eq 1 ] && exit 0
exit 125
