"""What an engine's maintainers ask for, as Markdown to paste: the smallest case, how to run it, what should come out
and what does, which releases are known to do it. Nothing is claimed that was not run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from fuzz.records.markdown_text import code, fenced, markdown
from fuzz.records.morning import CauseNews, Command, Example, Morning, Step
from fuzz.records.strip import State, Strip
from fuzz.records.strip_text import in_short
from fuzz.report.phrases import FAULTS, count, listed, named_with_release
from wasm.isa import OPS
from wasm.isa.sections import Section, section

_INSTALL: Final = "wasm-tools parse case.wat -o case.wasm"


def upstream(morning: Morning, news: CauseNews) -> str:
    """The report on one cause. A known issue has one already: then its link is named, and nothing else is written."""
    if news.issue:
        return f"{markdown(news.title)} is reported already: {markdown(news.issue)}\n"
    example = news.example
    if example is None or example.trouble:
        why = example.trouble if example else "no finding of it is stored"
        return f"{markdown(news.title)}: there is nothing to report, since {markdown(why)}\n"
    lines = [f"# {markdown(title(news))}", "", *_case(example), *_run(example), *_outcomes(example)]
    lines += [*_releases(example), *_spec(news), *_explained(example), *_origin(morning, news, example)]
    return "\n".join(lines).rstrip("\n") + "\n"


def title(news: CauseNews) -> str:
    """``Wasmtime computes a wrong value: i32.or, i32.shl and i32.shr_u``."""
    about = listed(news.essentials, 4)
    name = news.example.dissents[0].engine if news.example and news.example.dissents else news.cause.family
    name = name.partition("@")[0].partition(":")[0]
    return f"{name.capitalize()} {FAULTS.get(news.cause.kind, news.cause.kind)}" + (f": {about}" if about else "")


def _case(example: Example) -> Iterator[str]:
    size = f"{example.size} bytes" + (", minimized" if example.minimized else "")
    yield from (f"## Case ({size})", "")
    needs = {command.needs for command in example.commands if command.line}
    if "case.wast" in needs:
        if example.script:
            yield from ("`case.wast`:", "", fenced(example.script.rstrip("\n"), "wasm"), "")
        else:
            place = code(f"findings/{example.bundle}/case.wast")
            yield from (f"`case.wast` is too large to paste: attach {place}.", "")
    if needs != {"case.wast"} or not example.script:
        yield from (f"`{example.file}`:", "")
        if len(example.lines) < example.whole:
            last = example.first + len(example.lines) - 1
            yield from (f"Lines {example.first} to {last} of {example.whole}; attach the whole file.", "")
        yield from (fenced("\n".join(line.text for line in example.lines), "wasm"), "")


def _run(example: Example) -> Iterator[str]:
    yield from ("## Steps to reproduce", "")
    if example.before:
        cases = count(example.before, "other case")
        yield f"It shows only after {cases} ran in the same process; the script has them before it."
        yield ""
    lines = dict.fromkeys((command.line, command.needs, command.script) for command in example.commands if command.line)
    for line, needs, script in lines:
        if script:
            yield from ("`repro.js`:", "", fenced(script, "js"), "")
        yield from (fenced("\n".join(([_INSTALL] if needs == "case.wasm" else []) + [line]), "sh"), "")
    yield from (_cannot(command) for command in example.commands if not command.line)
    if any(not command.line for command in example.commands):
        calls = ", ".join(code(_call(step)) for step in example.steps[1:])
        yield from (f"By the engine's API: instantiate the module, then call {calls or 'nothing'}.", "")


def _call(step: Step) -> str:
    """A call without who makes it, which is a matter of the harness."""
    return step.call.rpartition(" by ")[0] or step.call


def _cannot(command: Command) -> str:
    return f"{code(command.engine)} cannot be asked by its own command line: {markdown(command.why_not)}."


def _outcomes(example: Example) -> Iterator[str]:
    yield from ("## Expected and actual result", "")
    wrong = [step for step in example.steps if step.wrong]
    for step in wrong:
        yield f"- {code(_call(step))}"
        if step.expected:
            yield f"  - expected: {markdown(step.expected)}"
        for side in step.sides:
            if side.wrong:
                yield f"  - {markdown(_names(example, side.engines))}: {markdown(side.outcome)}"
    if not wrong:
        for dissent in example.dissents:
            yield (
                f"- {markdown(named_with_release(dissent.engine, example.release(dissent.engine)))}, "
                f"{markdown(dissent.where)}: {markdown(dissent.detail or dissent.kind.value)}"
            )
    for dissent in example.dissents[:3]:
        if dissent.message.strip():
            yield from ("", f"{markdown(dissent.engine)} says:", "", fenced(dissent.message.strip()[:2000], "text"))
    agreeing = _names(example, example.agreeing)
    yield from ("", f"Engines that give the expected result: {markdown(agreeing)}." if agreeing else
                "No other engine was compared.", "")  # fmt: skip


def _names(example: Example, engines: tuple[str, ...]) -> str:
    return ", ".join(named_with_release(engine, example.release(engine)) for engine in engines)


def _releases(example: Example) -> Iterator[str]:
    yield from ("## Affected versions", "")
    asked = [strip for strip in example.strips if any(one.state is not State.CANNOT for one in strip.tried)]
    for strip in asked:
        yield f"- {markdown(in_short(strip))}"
        yield f"  Asked: {markdown(_asked(strip))}."
    if not asked:
        engines = dict.fromkeys(dissent.engine for dissent in example.dissents)
        names = ", ".join(named_with_release(engine, example.release(engine)) for engine in engines)
        yield f"Seen with {markdown(names)}; no other release was asked."
    platform = dict(example.environment).get("platform", "")
    machine = dict(example.environment).get("machine", "")
    if platform or machine:
        yield from ("", f"Platform: {markdown(' '.join(filter(None, (platform, machine))))}.")
    yield ""


def _asked(strip: Strip) -> str:
    words = [f"{one.release} {one.state.value}" for one in strip.tried if one.state is not State.CANNOT]
    return ", ".join(words)


def _spec(news: CauseNews) -> Iterator[str]:
    sections: dict[Section, list[str]] = {}
    for name in news.essentials or [word.strip("()") for word in news.cause.essentials if word.startswith("(")]:
        if name in OPS:
            sections.setdefault(section(OPS[name]), []).append(OPS[name].mnemonic)
    if sections:
        yield from ("## Specification", "")
        for place, names in sections.items():
            yield f"- {', '.join(code(name) for name in dict.fromkeys(names))}: [{markdown(place.title)}]({place.url})"
        yield ""


def _explained(example: Example) -> Iterator[str]:
    for told in example.explanations:
        done, parts = told.operation, []
        if told.fingerprint is not None:
            parts.append(f"- {markdown(told.fingerprint.words)}")
        if told.item is not None:
            parts.append(f"- {code(f'{told.item.kind} {told.item.index}')}: {markdown(told.item.how)}")
        if done is not None:
            parts.append(f"- First wrong operation: {code(done.text)} of {code(', '.join(done.operands))} gives "
                         f"{code(', '.join(done.actual))}, expected {code(', '.join(done.expected))}; "
                         f"{markdown(done.how)}")  # fmt: skip
        if parts:
            yield from (f"## What is known ({markdown(told.engine)})", "", *parts, "")


def _origin(morning: Morning, news: CauseNews, example: Example) -> Iterator[str]:
    again = "every time" if example.stable else f"{example.repeats} of {example.tries} times"
    yield f"Found by differential fuzzing ({markdown(example.origin)}); it showed {again} it was tried again."
    harness = dict(example.environment).get("harness", "")
    folder = morning.last.night.harness if morning.last else ""
    if harness or folder:
        yield f"wasm-codegen-fuzz {markdown(harness or folder)}, {markdown(news.key)}."
