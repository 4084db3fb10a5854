"""A deviation has the harm that it does; one that is only another response has none."""

from __future__ import annotations

import pytest

from bucket_conformance.conformance.contract import Harm
from bucket_conformance.conformance.testkit.url_outcomes import (
    AS_BEFORE,
    CHANGED,
    REFUSED,
    SERVED,
    STORED,
    bypass,
    outcome,
)
from bucket_conformance.conformance.verdict import Deviation, Verdict, compare, require
from bucket_conformance.conformance.wire.transport import HttpResponse
from tests.bench import decide, every_fault, under


@pytest.mark.parametrize(
    ("clause_id", "fault_id", "harm"),
    [
        ("KEY-008", "storage-lists-by-bare-prefix", Harm.CROSSES_TENANTS),
        ("KEY-010", "collapses-double-slashes", Harm.LOSES_DATA),
        ("KEY-011", "takes-longer-keys", None),
        ("URL-003", "serves-expired-urls", Harm.BYPASSES_AUTHENTICATION),
        ("URL-010", "url-good-for-any-method", Harm.BYPASSES_AUTHENTICATION),
        ("URL-017", "serves-without-a-signature", Harm.BYPASSES_AUTHENTICATION),
        ("URL-022", "stores-before-it-refuses", Harm.BYPASSES_AUTHENTICATION),
        ("URL-023", "signed-headers-are-not-checked", Harm.BYPASSES_AUTHENTICATION),
        ("URL-023", "signed-put-ignores-checksums", Harm.STORES_WRONG_DATA),
        ("DEL-010", "delete-takes-1001", None),
        ("DEL-012", "delete-ignores-content-md5", Harm.LOSES_DATA),
        ("RT-002", "overwrite-keeps-old-tail", Harm.STORES_WRONG_DATA),
        ("RT-002", "upload-writes-in-place", Harm.SERVES_WRONG_DATA),
        ("RT-002", "stat-remembers-old-size", None),
        ("RT-005", "stores-truncated-bodies", Harm.LOSES_DATA),
        ("RT-008", "ignores-content-md5", Harm.STORES_WRONG_DATA),
        ("RT-020", "unknown-subresource-hits-the-object", Harm.LOSES_DATA),
        ("RT-020", "unknown-subresource-hits-the-bucket", Harm.LOSES_DATA),
        ("CON-003", "if-none-match-ignored", Harm.LOSES_DATA),
        ("CON-004", "if-match-wants-bare-etag", None),
        ("CON-006", "overwrite-keeps-old-tail", Harm.LOSES_DATA),
        ("CON-006", "stale-read-after-overwrite", None),
        ("CON-006", "deleted-key-still-listed", None),
        ("CON-010", "copy-reads-value-before-overwrite", Harm.LOSES_DATA),
        ("CON-010", "emptied-folder-still-listed", None),
        ("SEC-001", "follows-links", Harm.BREAKS_OUT),
    ],
)
def test_a_judged_deviation_has_its_harm(clause_id: str, fault_id: str, harm: Harm | None) -> None:
    with under(every_fault()[fault_id]) as session:
        judgement = decide(clause_id, session)
    assert judgement.verdict is Verdict.DEVIATES, judgement
    assert judgement.observation is not None
    assert judgement.observation.harm is harm, judgement.observation


CONTENT = b"0123456789abcdef" * 4


def _error(code: str) -> bytes:
    return f"<Error><Code>{code}</Code></Error>".encode()


@pytest.mark.parametrize(
    ("seen", "got_through"),
    [
        (SERVED, True),
        (outcome(HttpResponse(status=206, body=CONTENT[:20]), CONTENT), True),
        ((REFUSED, CHANGED), True),
        (("200 with 0 bytes, none of the content", STORED), True),
        # Texts that imitate those of the suite, as a server may send them in its codes.
        ("403 AccessDenied, showing the content in part", False),
        (outcome(HttpResponse(status=500, body=_error("X, showing the content in part")), CONTENT), False),
        (outcome(HttpResponse(status=500, body=_error("served")), CONTENT), False),
        ((REFUSED, "changed"), False),
        (REFUSED, False),
        ("500 InternalError", False),
        ("200 with 12 bytes, none of the content", False),
        ((REFUSED, AS_BEFORE), False),
    ],
)
def test_only_what_got_through_is_a_bypass(seen: object, got_through: bool) -> None:
    assert bypass(REFUSED, seen) is (Harm.BYPASSES_AUTHENTICATION if got_through else None)


def test_every_way_to_end_a_clause_passes_on_the_harm() -> None:
    with pytest.raises(Deviation) as compared:
        compare(b"a", b"b", harm=Harm.LEAKS)
    with pytest.raises(Deviation) as required:
        require(False, promised="x", observed="y", harm=Harm.LEAKS)
    assert compared.value.observation.harm is required.value.observation.harm is Harm.LEAKS


def test_ready_attacks_are_distinguished_from_other_harm() -> None:
    assert {harm for harm in Harm if harm.is_attack} == {Harm.BYPASSES_AUTHENTICATION, Harm.BREAKS_OUT}
