"""The target ``modules``: valid bases, near misses of every kind, and one answer from every engine."""

from __future__ import annotations

from collections import Counter

import pytest

from fuzz.triage.signature import template
from fuzz.trial.bench import Bench
from generators.choices import ChoiceSource
from generators.config import DEFAULT, EVERYTHING, Config
from generators.registry import load_target, make_case
from generators.validity.declarations import declare
from generators.validity.near_bytes import damaged, padded, read_unsigned, sections_of
from generators.validity.near_types import near_miss
from oracles.interpreter import run_case
from oracles.judge.verdict import Agree
from wasm.case import Case, CaseKind
from wasm.decode import decode
from wasm.embedding import Phase, Rejected
from wasm.encode import encode
from wasm.feature_use import features_of_bytes, required_features
from wasm.features import Feature
from wasm.isa import OPS
from wasm.validate import validate

COUNT = 600
LEGACY = {"try", "catch", "rethrow", "delegate", "catch_all"}


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return [make_case("modules", 1, index) for index in range(COUNT)]


@pytest.mark.parametrize("config", [DEFAULT, EVERYTHING, DEFAULT.without(Feature.GC), Config(features=frozenset())])
def test_bases_are_valid_and_keep_to_their_features(config: Config) -> None:
    for index in range(200):
        module = declare(ChoiceSource.seeded("declared", index), config)
        content = encode(module)
        validate(decode(content), config.features, content)
        assert required_features(module) <= config.features


def test_bases_have_nearly_every_instruction_and_every_section() -> None:
    """900 bases have 98% of the rows; none of ten other seeds had under 99%."""
    names, sections = set(), set()
    for index in range(900):
        module = declare(ChoiceSource.seeded("rows", index), EVERYTHING)
        names |= {row.name for func in module.funcs for row, _ in func.body}
        sections |= {section.id for section in sections_of(encode(module))}
    assert sections == set(range(1, 14))
    wanted = set(OPS) - LEGACY
    assert len(names & wanted) > 0.98 * len(wanted)


def test_cases_are_valid_invalid_and_malformed(cases: list[Case]) -> None:
    """Each in at least one case of six, where 4,000 cases have 30%, 43% and 27%."""
    ends = Counter[str]()
    rules = set()
    for case in cases:
        assert case.kind is CaseKind.BYTES
        assert not case.invocations
        assert case.features == features_of_bytes(case.content)
        seen = run_case(case)
        if isinstance(seen.instantiation, Rejected):
            ends["malformed" if seen.phase is Phase.DECODE else "invalid"] += 1
            rules.add(template(seen.instantiation.message))
        else:
            ends["valid" if seen.instantiated else "limit"] += 1
    for kind in ("valid", "invalid", "malformed"):
        assert ends[kind] > COUNT // 6, ends
    assert ends["limit"] < COUNT // 100
    assert len(rules) > 60


def test_most_near_misses_of_types_decode_and_break_a_rule() -> None:
    ends = Counter[str]()
    for index in range(300):
        module = declare(ChoiceSource.seeded("near", index), DEFAULT)
        if not near_miss(ChoiceSource.seeded("miss", index), DEFAULT, module):
            continue
        content = encode(module)
        seen = run_case(Case(content, kind=CaseKind.BYTES))
        ends["valid" if seen.instantiated else seen.phase.value] += 1
    assert ends["compile"] > 150
    assert ends["valid"] > 30
    assert ends["decode"] < 40


def test_damage_leaves_most_of_a_module() -> None:
    content = encode(declare(ChoiceSource.seeded("damage", 3), DEFAULT))
    made = {damaged(ChoiceSource.seeded("by", index), content) for index in range(300)}
    assert len(made) > 250
    sizes = sorted(len(one) for one in made)
    assert sizes[len(sizes) // 2] > len(content) * 0.9
    assert sum(one[:8] == content[:8] for one in made) > 0.9 * len(made)


def test_a_count_with_nothing_behind_it_is_not_counted_out() -> None:
    """Earlier damage may leave 2^31 bodies, or as many as five bytes can say: a run stood still over them."""
    body = b"\2\0\x0b"
    for count in (1 << 31, (1 << 35) - 1):
        code = padded(count, 5) + body
        content = b"\0asm\1\0\0\0\1\4\1\x60\0\0\3\2\1\0\x0a" + bytes((len(code),)) + code
        made = {damaged(ChoiceSource.seeded("counted", index), content) for index in range(60)}
        assert len(made) > 30
        assert max(map(len, made)) < 2 * len(content)


def test_numbers_in_longer_forms() -> None:
    for value in (0, 1, 127, 128, 70_000):
        for width in (3, 5):
            assert read_unsigned(padded(value, width), 0) == (value, width)


def test_any_bytes_make_a_case() -> None:
    noise = ChoiceSource.seeded("noise", "modules")
    generate = load_target("modules").generate
    for length in (0, 1, 10, 100, 1000):
        for _ in range(10):
            case = generate(ChoiceSource.replay(noise.bytes(length)), DEFAULT)
            assert run_case(case).engine == "interpreter"


def test_choices_replay() -> None:
    generate = load_target("modules").generate
    for index in range(60):
        source = ChoiceSource.seeded("replay", index)
        case = generate(source, DEFAULT)
        assert generate(ChoiceSource.replay(source.recorded()), DEFAULT) == case


def test_features_of_bytes_are_those_of_the_module_as_far_as_it_decodes() -> None:
    source = ChoiceSource.seeded("features")
    module = declare(source, DEFAULT.without(Feature.GC))
    content = encode(module)
    assert features_of_bytes(content) == {feature.value for feature in required_features(module)}
    assert features_of_bytes(content[:-1]) == frozenset()


def test_an_empty_section_needs_the_feature_that_it_came_with() -> None:
    """Wasmtime 33.0.0 refuses a module with no tags where they would stand."""
    empty = b"\0asm\1\0\0\0"
    assert features_of_bytes(empty) == frozenset()
    assert features_of_bytes(empty + b"\x0d\x01\x00") == {"exceptions"}
    assert features_of_bytes(empty + b"\x0c\x01\x00") == {"bulk_memory"}
    assert features_of_bytes(empty + b"\x01\x01\x00\x00\x03\x01a\x0d") == frozenset()


def test_wasmtime_agrees(cases: list[Case]) -> None:
    bench = Bench(["wasmtime:opt=none"])
    try:
        for case in cases[:150]:
            verdict = bench.run(case).verdict
            assert isinstance(verdict, Agree), case.provenance
    finally:
        bench.close()
