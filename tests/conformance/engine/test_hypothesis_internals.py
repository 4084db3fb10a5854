"""What a release of Hypothesis may remove, and which feature then breaks."""

from __future__ import annotations

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, example, given
from hypothesis import strategies as st

from bucket_conformance.conformance.engine import hypothesis_internals


def test_the_named_examples_are_found() -> None:
    @example(1)
    @example(number=2)
    @given(st.integers())
    def two(number: int) -> None:
        pass

    assert hypothesis_internals.named_examples(two) == [{"number": 1}, {"number": 2}], (
        "Hypothesis keeps @example elsewhere than in hypothesis_explicit_examples: named examples are not judged"
    )


def test_settings_and_seed_replace_those_of_the_run_before() -> None:
    seen: list[int] = []

    @given(st.integers())
    def collecting(number: int) -> None:
        seen.append(number)

    runs = []
    for seed in (1, 1, 2):
        seen.clear()
        settings = hypothesis.settings(
            max_examples=7, database=None, phases=(Phase.generate,), suppress_health_check=list(HealthCheck)
        )
        hypothesis_internals.configure(collecting, settings, seed)
        collecting()
        runs.append(tuple(seen))
    why = "Hypothesis no longer reads _hypothesis_internal_use_"
    assert {len(run) for run in runs} == {7}, f"{why}settings: the effort of a run (--quick, --deep) has no effect"
    assert runs[0] == runs[1] != runs[2], f"{why}seed: --seed has no effect, and a run cannot be repeated"


@pytest.mark.parametrize("name", ["_local_constants", "_get_local_constants"])
def test_constants_of_loaded_modules_can_be_kept_out(name: str) -> None:
    why = (
        f"hypothesis.internal.conjecture.providers has no {name}: the same seed may generate other data from a "
        "checkout than from an installation; see whether Hypothesis still mixes constants of loaded modules in"
    )
    try:
        from hypothesis.internal.conjecture import providers
    except ImportError:
        pytest.fail(why)
    assert hasattr(providers, name), why
    before = providers._get_local_constants
    with hypothesis_internals.reproducible_generation():
        assert providers._get_local_constants is not before
    assert providers._get_local_constants is before
