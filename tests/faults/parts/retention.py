"""Faults of retention: rules that match other keys than intended."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from bucket_conformance.conformance.parts import ApplicationParts, ExpiryRule, RetentionPort
from bucket_conformance.reference_impl.keys import Scope
from tests.faults.part_faults import parts_fault, retention_of


def _prefixes(change: Callable[[str], str]) -> Callable[[ApplicationParts], ApplicationParts]:
    class Changed:
        def __init__(self, inner: RetentionPort) -> None:
            self.inner = inner

        def rules(self, policy: Mapping[str, int], owners: Sequence[tuple[Scope, str]]) -> Sequence[ExpiryRule]:
            return [replace(rule, prefix=change(rule.prefix)) for rule in self.inner.rules(policy, owners)]

    return lambda parts: replace(parts, retention=Changed(retention_of(parts)))


parts_fault(
    "retention-prefix-by-type-alone",
    "a rule's prefix is the type alone, which begins no key",
    breaks=["LIFE-004"],
    origin="https://www.activepieces.com/docs/install/configuration/file-storage",
)(_prefixes(lambda prefix: prefix.rstrip("/").rpartition("/")[2] + "/"))
parts_fault(
    "retention-prefix-of-owner", "a rule for one type lets every file of the owner expire", breaks=["LIFE-004"]
)(_prefixes(lambda prefix: prefix.rstrip("/").rpartition("/")[0] + "/"))
parts_fault(
    "retention-prefix-without-slash",
    "a rule's prefix ends in the owner's id, so that longer ids are met too",
    breaks=["LIFE-004"],
)(_prefixes(lambda prefix: prefix.rstrip("/").rpartition("/")[0]))
