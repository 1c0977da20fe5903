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

# wasmtime@33.0.0:opt=none, release 33.0.0: value
program=${WASMTIME:-wasmtime}
python=${PYTHON:-python3}
if command -v "$program" > /dev/null 2>&1; then
  "$program" wast -W all-proposals=y -O opt-level=0 case.wast
  judge $? 1
elif "$python" -c "import wasmtime" 2> /dev/null; then
  "$python" -c 'import json, struct, sys
import wasmtime

FILE = json.loads("\"case.wasm\"")
OPT = json.loads("\"none\"")
FEATURES = json.loads("[\"multi_value\"]")
START = json.loads("[\"returned\", []]")
CALLS = json.loads("[[\"a\", [], [], [\"returned\", []]], [\"b\", [], [\"i32\"], [\"returned\", [[\"i32\", \"1\"]]]]]")

def bits(type, value):
    if type == "i32": return value & 0xFFFFFFFF
    if type == "i64": return value & 0xFFFFFFFFFFFFFFFF
    if value != value: return "nan"
    return struct.unpack("<I", struct.pack("<f", value))[0] if type == "f32" else \
        struct.unpack("<Q", struct.pack("<d", value))[0]

def number(type, value):
    if type == "f32": return struct.unpack("<f", struct.pack("<I", value))[0]
    if type == "f64": return struct.unpack("<d", struct.pack("<Q", value))[0]
    width = 32 if type == "i32" else 64
    return value - (1 << width) if value >> (width - 1) else value

def ended(run):
    try:
        return "returned", run()
    except wasmtime.Trap as error:
        text = str(error)
        return ("exhausted" if "stack exhausted" in text or "stack overflow" in text else
                "threw" if "exception" in text else "trapped"), text
    except wasmtime.WasmtimeError as error:
        text = str(error)
        thrown = "exception" in text and "thrown" in text
        return "threw" if thrown else "trapped" if "wasm trap" in text else "rejected", text

def judge(name, seen, want):
    global wrong
    how, what = seen
    print(name, how, what)
    if want is None: return
    if how == want[0] and (how != "returned" or len(want) < 2 or what == want[1]): return
    wrong = True
    print("  expected", *want)

def config():
    config = wasmtime.Config()
    if OPT: config.cranelift_opt_level = OPT
    for feature in FEATURES:
        try: setattr(config, "wasm_" + feature, True)
        except Exception: pass
    return config

wrong = False
try:
    engine = wasmtime.Engine(config())
    store = wasmtime.Store(engine)
    content = open(FILE, "rb").read()
except Exception as error:
    print(error)
    sys.exit(2)
kept = []
def start():
    kept.append(wasmtime.Instance(store, wasmtime.Module(engine, content), []))
    return []
judge("instantiation", ended(start), START)
for name, args, types, want in CALLS if kept else ():
    func = kept[0].exports(store)[name]
    def call():
        got = func(store, *[number(*arg) for arg in args])
        got = [] if got is None else got if isinstance(got, list) else [got]
        return [[type, str(bits(type, value))] for type, value in zip(types, got)]
    judge(name, ended(call), want)
sys.exit(10 if wrong else 0)
'
  judge $? 10
else
  have "$program" WASMTIME
  echo 'or pip install wasmtime==33.0.0, and set PYTHON to its python'
fi

[ "$shown" -eq 1 ] && exit 1
[ "$ran" -eq 1 ] && exit 0
exit 125
