"""Standard output that is full, closed or not read; interrupts before anything is loaded; completion for shells."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from fuzz.cli.completion import engines

ROOT = Path(__file__).resolve().parents[2]
FULL = Path("/dev/full")
COMMANDS = (
    ["--help"],
    ["--version"],
    ["targets"],
    ["run", "--help"],
    ["show", "--target", "arith", "--seed", "1", "--index", "1"],
    ["report", str(ROOT / "reports" / "example")],
    ["report", str(ROOT / "reports" / "example"), "--format", "jsonl"],
    ["causes", str(ROOT / "reports" / "example")],
    ["selfcheck", "--list"],
    ["run", "--target", "arith", "--cases", "2", "--seed", "1", "--jobs", "1", "--engine", "compiler", "--out", "OUT"],
)
NAMES = ["help", "version", "targets", "run-help", "show", "report", "jsonl", "causes", "list", "run"]


def fuzz(words: Sequence[str], tmp_path: Path, redirect: str = "") -> subprocess.CompletedProcess[str]:
    """A command with its output redirected as a shell does."""
    shell = f'exec "$0" -m fuzz "$@" {redirect}'
    words = [str(tmp_path / "out") if word == "OUT" else word for word in words]
    return subprocess.run(
        ["sh", "-c", shell, sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
@pytest.mark.parametrize("words", COMMANDS, ids=NAMES)
def test_full_output_is_one_line_and_exit_code_3(words: list[str], tmp_path: Path) -> None:
    done = fuzz(words, tmp_path, "> /dev/full")
    assert done.stderr.splitlines()[-1] == "fuzz: cannot write standard output: No space left on device"
    assert done.stderr.count("\n") == 1
    assert done.returncode == 3


@pytest.mark.parametrize("words", COMMANDS, ids=NAMES)
def test_closed_output_is_one_line_and_exit_code_3(words: list[str], tmp_path: Path) -> None:
    done = fuzz(words, tmp_path, ">&-")
    assert done.stderr == "fuzz: standard output is closed: give it a file, or /dev/null\n"
    assert done.returncode == 3
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("redirect", ["2>&-", "<&- 2>&-", "<&-", "2> /dev/full"])
def test_other_closed_streams_do_no_harm(redirect: str, tmp_path: Path) -> None:
    done = fuzz(["targets"], tmp_path, redirect)
    assert done.returncode == 0
    assert "returns" in done.stdout
    assert fuzz(["targets", "--nope"], tmp_path, redirect).returncode == 2


def test_all_three_closed(tmp_path: Path) -> None:
    assert fuzz(["targets"], tmp_path, "<&- >&- 2>&-").returncode == 3


def test_a_file_of_ours_never_becomes_standard_error(tmp_path: Path) -> None:
    """The lowest free descriptor is what the next file gets: it must not be 2 when something complains."""
    words = ["generate", "--target", "arith", "--seed", "1", "--count", "2", "--out", "OUT"]
    assert fuzz(words, tmp_path, "2>&-").returncode == 0
    assert (tmp_path / "out" / "arith-1-0.wasm").read_bytes()[:4] == b"\0asm"


@pytest.mark.parametrize("words", [["targets"], ["selfcheck", "--list"], ["--help"]], ids=["targets", "list", "help"])
def test_a_reader_that_has_gone_is_what_a_shell_makes_of_sigpipe(words: list[str]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.Popen(
        [sys.executable, "-m", "fuzz", *words], stdout=writer, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    os.close(writer)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (141, "")


def test_a_run_whose_reader_has_gone_ends_with_its_workers(tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["run", "--target", "arith", "--time", "60s", "--jobs", "1", "--engine", "compiler", "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-m", "fuzz", *words, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(50) == 141
    assert process.stderr.read() == b""
    process.stderr.close()


# --- interrupts -------------------------------------------------------------------------------------------------------

INTERRUPTED_IMPORT = """
import sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == MODULE:
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
sys.argv = ["fuzz", *WORDS]
from fuzz.__main__ import main
sys.exit(main())
"""


@pytest.mark.parametrize(
    "module",
    [
        "fuzz.cli.main", "fuzz.cli.parser", "fuzz.cli.streams", "fuzz.records.printable", "argparse",
        "fuzz.cli.commands.run", "fuzz.campaign.loop", "oracles.engine", "generators.registry", "fuzz.cli.arguments",
        "wasm.errors",
    ],
)  # fmt: skip
def test_an_interrupt_while_anything_is_loaded(module: str, tmp_path: Path) -> None:
    words = ["run", "--target", "nope", "--out", str(tmp_path / "out")]
    code = f"MODULE, WORDS = {module!r}, {words!r}\n{INTERRUPTED_IMPORT}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "fuzz: interrupted\n")


def test_interrupts_in_the_first_moments_leave_no_traceback() -> None:
    """From when our own code hears them; before that it is Python that starts, and nobody can say anything."""
    for delay in range(0, 300, 20):
        process = subprocess.Popen(
            [sys.executable, "-X", "importtime", "-m", "fuzz", "targets"], cwd=ROOT, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stderr is not None
        said = ""
        ours = False
        for line in process.stderr:
            said += line
            if ours and not line.rstrip().endswith("| signal"):  # all that its main file needs to hear them with
                break
            ours = ours or line.rstrip().endswith("| fuzz")
        time.sleep(delay / 1000)
        process.send_signal(signal.SIGINT)
        said += process.stderr.read()
        process.stderr.close()
        assert process.wait(60) in (0, 130, -signal.SIGINT)  # the last is 130 to a shell
        assert "Traceback" not in said


# --- limits of the machine --------------------------------------------------------------------------------------------


def test_a_file_that_may_not_grow_is_one_line(tmp_path: Path) -> None:
    """As on a full disk, or under a quota."""

    def small() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))

    done = subprocess.run(
        [sys.executable, "-m", "fuzz", "generate", "--target", "mixed", "--seed", "1", "--out", str(tmp_path / "o")],
        cwd=ROOT, capture_output=True, text=True, check=False, preexec_fn=small,
    )  # fmt: skip
    assert done.returncode in (2, 3)
    assert done.stderr.count("\n") == 1
    assert "internal error" not in done.stderr


# --- completion -------------------------------------------------------------------------------------------------------


def completions(line: str, cwd: Path = ROOT) -> list[str]:
    """What a shell is told for a line with the cursor at its end."""
    pytest.importorskip("argcomplete")
    surroundings = {**os.environ, "COMP_LINE": line, "COMP_POINT": str(len(line.encode())), "_ARGCOMPLETE": "1"}
    surroundings |= {"_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_SUPPRESS_SPACE": "1", "PYTHONPATH": str(ROOT)}
    code = "import os; os.dup2(1, 8); from fuzz.__main__ import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, env=surroundings, capture_output=True, text=True, check=False
    )
    return done.stdout.split("\n") if done.stdout else []


@pytest.mark.parametrize(
    ("line", "there", "absent"),
    [
        ("fuzz ", {"run", "replay", "targets"}, {"returns"}),
        ("fuzz re", {"replay", "report"}, {"run"}),
        ("fuzz run --tar", {"--target"}, {"--time"}),
        ("fuzz run --target re", {"returns", "refs", "regalloc"}, {"calls"}),
        ("fuzz run --target returns,ca", {"returns,calls"}, {"returns"}),
        ("fuzz run --target returns,re", {"returns,refs"}, {"returns,returns"}),
        ("fuzz run --engine wa", {"wasmtime"}, {"v8"}),
        ("fuzz replay x --engine comp", {"compiler"}, set()),
        ("fuzz report x --format ", {"markdown", "jsonl", "html", "junit", "sarif", "github"}, set()),
        ("fuzz report x --write html,j", {"html,junit", "html,jsonl"}, {"html,html"}),
        ("fuzz report reports/example --upstream ", {"1"}, set()),
        ("fuzz selfcheck --generator o", {"ours"}, set()),
        ("fuzz selfcheck --fault fold-", {"fold-same-operands"}, set()),
        ("fuzz replay reports/example/fin", set(), {"--engine"}),
        ("fuzz run --target 'ret", {"returns"}, set()),
        ("fuzz nosuch --x", set(), {"returns"}),
    ],
)
def test_a_shell_is_told(line: str, there: set[str], absent: set[str]) -> None:
    told = {word.strip().strip("'") for word in completions(line)}
    for word in there:
        assert any(one.startswith(word) for one in told), told
    assert not told & absent


def test_bundles_and_folders_of_runs_are_completed() -> None:
    assert any("findings/cranelift" in word for word in completions("fuzz replay reports/example/"))
    assert any(word.strip("/ ").endswith("example") for word in completions("fuzz report reports/"))


def test_an_engine_is_completed_step_by_step() -> None:
    assert {"wasmtime", "v8", "jsc", "compiler", "interpreter"} <= set(engines(""))
    assert "wasmtime:opt=none" in engines("wasmtime:")
    assert "wasmtime@33.0.0:winch+checker" in engines("wasmtime@33.0.0:winch+")
    assert "v8:liftoff" in engines("v8:")
    assert "compiler:regalloc=single_pass" in engines("compiler:")
    assert list(engines("nosuch@")) == []


def test_without_argcomplete_nothing_is_said() -> None:
    code = "import sys; sys.modules['argcomplete'] = None; from fuzz.__main__ import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**os.environ, "_ARGCOMPLETE": "1", "COMP_LINE": "fuzz "},
        capture_output=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
