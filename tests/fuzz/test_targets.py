"""The fuzz targets on their seeds, on what was once found, and on inputs near those."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.registry import all_targets
from tests.fuzz.target import Target

TARGETS = all_targets()
each_target = pytest.mark.parametrize("target", TARGETS.values(), ids=list(TARGETS))


@each_target
def test_what_must_hold_for_any_bytes_holds_for_the_seeds(target: Target) -> None:
    for data in (b"", *target.seeds):
        target.check(data)


@each_target
def test_what_was_found_once_stays_mended(target: Target) -> None:
    for data in target.found:
        target.check(data)


@each_target
@settings(max_examples=settings.default.max_examples // 4)
@given(inputs=st.data())
def test_it_holds_for_bytes_near_the_seeds(
    target: Target, inputs: st.DataObject
) -> None:
    data = bytearray(inputs.draw(st.sampled_from((b"", *target.seeds))))
    for _ in range(inputs.draw(st.integers(0, 5))):
        at = inputs.draw(st.integers(0, len(data)))
        gone = inputs.draw(st.sampled_from([0, 0, 1, 1, 4, 20]))
        data[at : at + gone] = inputs.draw(st.binary(max_size=12))

    target.check(bytes(data))


@each_target
def test_a_mistake_in_the_library_is_noticed(target: Target) -> None:
    with target.saboteur.at_work(), pytest.raises((AssertionError, ValueError)):
        target.check(target.saboteur.shown)

    target.check(target.saboteur.shown)


@each_target
def test_no_seed_gives_the_mistake_away_before_the_fuzzer_finds_it(
    target: Target,
) -> None:
    with target.saboteur.at_work():
        for data in target.seeds:
            target.check(data)
