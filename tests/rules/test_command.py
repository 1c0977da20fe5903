"""``fuzz rules`` on a small release of our own in a cache of its own: counts, reasons, aims, and what goes wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fuzz.cli.commands.rules import crate_version
from fuzz.cli.main import main
from generators.aims.store import read_file
from generators.registry import load_target, make_case
from oracles.engine import UsageError
from tests.harness.json_docs import documented
from wasm.decode import decode
from wasm.validate import validate

PRELUDE = """
(decl u64_from_imm64 (u64) Imm64)
(extern extractor infallible u64_from_imm64 u64_from_imm64)
(decl multi simplify (Value) Value)
"""
OPTS = """
(rule (simplify (isub ty x x)) x)
(rule (simplify (imul ty x (iconst ty (u64_from_imm64 8)))) x)
(rule (simplify (iadd $I128 x y)) x)
(decl pure multi same_as (Value) Value)
(rule (same_as (bnot _ x)) x)
(rule (simplify (popcnt ty v)) (if-let x (same_as v)) x)
"""
LOWER = "(rule (lower (load ty _ _ _)) x)\n(rule (put_in_place x) x)\n"


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Wasmtime 2.0.1, whose ``cranelift-codegen`` is 0.89.1."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    home = tmp_path / "wasm-codegen-fuzz" / "cranelift-codegen.isle" / "0.89.1" / "src"
    for name, text in {"prelude.isle": PRELUDE, "opts/a.isle": OPTS, "isa/x64/lower.isle": LOWER}.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    load_target.cache_clear()
    return "wasmtime@2.0.1"


def test_counts_reasons_and_aims(release: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["rules", release, "--offline"]) == 0
    counts = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines() if ".isle " in line}
    # The term's own rule is aimed at by way of the one whose condition uses it.
    assert counts == {"src/opts/a.isle": ["5", "4"], "src/isa/x64/lower.isle": ["2", "1"]}
    assert main(["rules", release, "--left"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "src/opts/a.isle:4: types that no instruction of WebAssembly has: 128-bit integers, f16, halves of vectors",
        "src/isa/x64/lower.isle:2: a rule of put_in_place, a term that other rules use",
    ]
    assert main(["rules", release, "--list"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert "src/opts/a.isle:3: (i32.mul v2:i32 (i32.const $0)); inside 8; outside 9" in told
    assert any("a.isle:6" in line and "(i8x16.popcnt (v128.not" in line for line in told)


def test_the_target_makes_cases_of_them(release: str) -> None:
    assert main(["rules", release, "--offline"]) == 0
    target = load_target(f"rules:{release}")
    assert target.about == f"aims at 5 rules of {release}"
    case = make_case(f"rules:{release}", 1, 0)
    validate(decode(case.content))
    assert case.invocations


def test_the_json_is_documented(release: str) -> None:
    assert main(["rules", release, "--offline"]) == 0
    data = read_file(release)
    assert set(data) == documented("fuzz rules", "aims")
    assert {key for aim in data["aims"] for key in aim} <= documented("fuzz rules", "aim")
    assert json.dumps(data)


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["v8"], 2, "rules are read of releases of Wasmtime"),
        (["wasmtime"], 2, "rules are read of releases of Wasmtime"),
        (["wasmtime@3.0.0", "--offline"], 3, "is not in the cache"),
    ],
)
def test_what_is_no_release_is_told(
    release: str, words: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert release
    assert main(["rules", *words]) == code
    error = capsys.readouterr().err
    assert told in error
    assert error.count("\n") == 1


def test_a_rule_file_that_is_none_is_told(release: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "wasm-codegen-fuzz/cranelift-codegen.isle/0.89.1/src/opts/a.isle").write_text("(rule")
    assert main(["rules", release, "--offline"]) == 2
    assert "src/opts/a.isle:1: a parenthesis is never closed" in capsys.readouterr().err


def test_releases_of_the_crate() -> None:
    assert [crate_version(one) for one in ("50.0.1", "18.0.2", "1.0.1", "0.40.0")] == [
        "0.137.1", "0.105.2", "0.88.1", "0.87.0",
    ]  # fmt: skip
    with pytest.raises(UsageError, match="is no release"):
        crate_version("50.0")
