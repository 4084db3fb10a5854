"""The one place that uses names of Hypothesis that its documentation does not promise.

``pyproject.toml`` bounds the release from above, and the tests of this module say what breaks without each name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import hypothesis

from bucket_conformance.conformance.backend.patching import replaced


def named_examples(function: Callable[..., None]) -> list[dict[str, Any]]:
    """Return the arguments of each ``@example`` of a ``@given`` function by their names, in the order as written."""
    found: list[dict[str, Any]] = []
    for each in reversed(getattr(function, "hypothesis_explicit_examples", ())):
        # Arguments by position are the last ones, as in Hypothesis.
        names = list(inspect.signature(function.hypothesis.inner_test).parameters)  # type: ignore[attr-defined]
        by_position = zip(names[-len(each.args) :], each.args, strict=True) if each.args else ()
        found.append({**dict(by_position), **each.kwargs})
    return found


def configure(test: Callable[..., None], settings: hypothesis.settings, seed: int) -> None:
    """Let a ``@given`` function use these settings and this seed, in place of those that it had.

    The decorators of both can be applied to a function only once.
    """
    test._hypothesis_internal_use_settings = settings  # type: ignore[attr-defined]
    test._hypothesis_internal_use_seed = seed  # type: ignore[attr-defined]


@contextmanager
def reproducible_generation() -> Iterator[None]:
    """Keep Hypothesis from mixing in constants from the sources of loaded modules.

    It counts those as the user's that lie outside of site-packages: the same seed would generate other data from a
    checkout than from an installation, and in a process that has loaded more. No setting turns it off.
    """
    try:
        from hypothesis.internal.conjecture import providers
    except ImportError:
        yield  # a release with another engine
        return
    found = getattr(providers, "_local_constants", None)
    if found is None or not hasattr(providers, "_get_local_constants"):
        yield  # a release that has no such habit, or another name for it
        return
    with replaced(providers, "_get_local_constants", type(found)):
        yield
