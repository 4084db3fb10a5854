"""The expectations of the built-in providers, for the pages about clauses and about providers."""

from __future__ import annotations

from collections.abc import Mapping

from bucket_conformance.conformance.catalogue import entries
from bucket_conformance.conformance.expectations import Expectation, read_expectations
from bucket_conformance.providers import discover, expectations


def expected_deviations() -> dict[str, Mapping[str, Expectation]]:
    """Return the expectations by provider and then by clause, in the order of the contract."""
    order = list(entries())
    found: dict[str, Mapping[str, Expectation]] = {}
    for provider in discover():
        path = expectations.path_of(provider)
        if path is not None:
            known = read_expectations(path)
            found[provider] = {id: known[id] for id in order if id in known}
    return found


def under(expectation: Expectation) -> str:
    """Return a text for the settings under which a deviation appears, before its reason; '' where it always does."""
    given = dict(expectation.when)
    said = {True: "over https", False: "over http"}[bool(given.pop("tls"))] if "tls" in given else ""
    others = " and ".join(f"{name} `{value}`" for name, value in sorted(given.items()))
    whole = ", ".join(filter(None, (said, f"with {others}" if others else "")))
    return f"{whole[0].upper()}{whole[1:]}: " if whole else ""
