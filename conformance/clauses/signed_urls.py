"""URL: a signed URL lets anybody read one object for a limited time, and does nothing else."""

from __future__ import annotations

import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from hypothesis import example, given
from hypothesis import strategies as st

from bucket_conformance.conformance.catalogue import clause
from bucket_conformance.conformance.contract import Capability, Level, Profile
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.strategies import (
    HOSTILE_KEYS,
    KIB,
    bodies,
    examples,
    file_types,
    ids,
    key_tails,
    only_if,
    pattern_bytes,
    url_lives,
)
from bucket_conformance.conformance.testkit.sources import (
    ERRORS,
    FILE_STORAGE,
    GET_OBJECT,
    OBJECT_KEYS,
    PRESIGNED_SHARING,
    PRESIGNED_URLS,
    QUERY_AUTH,
)
from bucket_conformance.conformance.testkit.url_outcomes import REFUSED, SERVED, bypass, outcome, secret_content, stored
from bucket_conformance.conformance.verdict import Inconclusive, compare
from bucket_conformance.conformance.wire.clock import TOLERANCE_S
from bucket_conformance.reference_impl.api import MAX_URL_LIFE_S, CredentialsEndBeforeUrl
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError

URLS: Final = (Capability.SIGNED_URLS,)

DAY_S: Final = 86_400
LIVES: Final = (1, 2, 3, 60, 900, 901, 3600, DAY_S, MAX_URL_LIFE_S - 1, MAX_URL_LIFE_S)
"""Lifetimes of URLs in seconds at which signers and servers change their behaviour."""


USES_OF_A_DEAD_URL: Final = 8


def require_in_time(started: float, outcomes: tuple[str, ...]) -> None:
    """Raise ``Inconclusive`` where a rejection may be due to our own slowness, as the URL had little time left."""
    if any(seen != SERVED for seen in outcomes) and time.monotonic() - started > TOLERANCE_S - 1:
        raise Inconclusive("signing and fetching took so long that the URL may have died on the way; try again")


@clause(
    "URL-001",
    "A GET by the URL alone, without credentials, gives the exact bytes.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(FILE_STORAGE, PRESIGNED_SHARING),
    proved_by="url-serves-first-64-kib",
    requires=URLS,
)
@examples("body", [pattern_bytes(size) for size in (0, 1, KIB, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 1024 * KIB)])
@given(body=bodies(max_size=128 * KIB))
def test_a_url_gives_the_exact_bytes(session: Session, body: bytes) -> None:
    key = session.fresh_key()
    session.populate([key], body)
    response = session.fetch(session.signed_url(key))
    compare(response.summary, "200", "answer to a GET by URL")
    compare(response.body, body, "bytes served by URL")


@clause(
    "URL-002",
    "A URL is served up to the end of its life: also 2 seconds before.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(FILE_STORAGE, QUERY_AUTH),
    proved_by=("caps-url-life-at-skew-window", "url-dies-a-tenth-early"),
    requires=URLS,
)
@examples("expires", LIVES)
@given(expires=url_lives())
def test_a_url_lives_up_to_its_end(session: Session, expires: int) -> None:
    key, content = stored(session)
    started = time.monotonic()
    seen = outcome(session.fetch(session.signed_url(key, expires_in=expires, age_s=expires - TOLERANCE_S)), content)
    require_in_time(started, (seen,))
    compare(seen, SERVED, f"URL of {expires} s, used {TOLERANCE_S} s before its end")


@clause(
    "URL-003",
    "A URL is dead after its life: 2 seconds after the end it is refused with a 4xx, and nothing of the content shows.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(FILE_STORAGE, QUERY_AUTH),
    proved_by=(
        "serves-expired-urls",
        "expired-url-serves-ranges",
        "refusal-shows-the-object",
        "serves-one-expired-url-in-fifty",
    ),
    requires=URLS,
)
@examples("expires", LIVES)
@given(expires=url_lives())
def test_a_url_is_dead_after_its_end(session: Session, expires: int) -> None:
    key, content = stored(session)
    url = session.signed_url(key, expires_in=expires, age_s=expires + TOLERANCE_S)
    # A cache, or one server of several, may serve it now and then.
    uses = [outcome(session.fetch(url), content) for _ in range(USES_OF_A_DEAD_URL)]
    whole = next((use for use in uses if use != REFUSED), REFUSED)
    alive = outcome(session.fetch(session.signed_url(key, expires_in=max(expires, 60))), content)
    part = outcome(session.fetch(url, headers=(("Range", "bytes=0-63"),)), content)
    what = f"URL of {expires} s, used {TOLERANCE_S} s after its end, whole; one that lives; the dead one, a part"
    compare((whole, alive, part), (REFUSED, SERVED, REFUSED), what, harm=bypass(whole, part))


@clause(
    "URL-004",
    "Without a life given, a URL lives 7 days: served 10 seconds before their end, refused 2 seconds after it.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(FILE_STORAGE, PRESIGNED_SHARING),
    proved_by=("signed-url-lives-an-hour-by-default", "caps-url-life-at-skew-window", "serves-expired-urls"),
    requires=URLS,
)
def test_a_url_lives_seven_days_by_default(session: Session) -> None:
    key, content = stored(session)
    old = outcome(session.fetch(session.signed_default_url(key, age_s=MAX_URL_LIFE_S - 10)), content)
    dead = outcome(session.fetch(session.signed_default_url(key, age_s=MAX_URL_LIFE_S + TOLERANCE_S)), content)
    what = "URL of default life, 10 s before and 2 s after the end of 7 days"
    compare((old, dead), (SERVED, REFUSED), what, harm=bypass(dead))


@clause(
    "URL-005",
    "A long life is honoured: a URL older than the 15 minutes that clocks may differ is served while it lives.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(FILE_STORAGE, QUERY_AUTH),
    proved_by=("caps-url-life-at-skew-window", "url-dies-at-midnight", "signed-url-lives-a-day-at-most"),
    requires=URLS,
)
@examples("age", (16 * 60, 3600, DAY_S, 6 * DAY_S))
@given(age=st.integers(901, MAX_URL_LIFE_S - 60))
def test_a_long_life_outlasts_the_skew_window(session: Session, age: int) -> None:
    key, content = stored(session)
    seen = outcome(session.fetch(session.signed_url(key, age_s=age)), content)
    compare(seen, SERVED, f"URL of 7 days, {age} s old")


@clause(
    "URL-006",
    "A life over 7 days (604800 s), or under a second, is not signed.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(QUERY_AUTH, PRESIGNED_SHARING),
    proved_by="signer-cuts-long-lives",
    requires=URLS,
)
@examples("expires", (MAX_URL_LIFE_S + 1, 0, -1, 2**31, 2**63))
@given(expires=st.integers(MAX_URL_LIFE_S + 1) | st.integers(max_value=0))
def test_the_signer_refuses_a_life_out_of_range(session: Session, expires: int) -> None:
    key = session.fresh_key()

    def signing(life: int) -> str:
        try:
            session.signed_url(key, expires_in=life)
        except StorageError as error:
            return error.code.value
        return "a URL"

    seen = (signing(expires), signing(3600))
    compare(seen, (ErrorCode.INVALID_ARGUMENT.value, "a URL"), f"signing for {expires} s, and for an hour")


@clause(
    "URL-013",
    "A URL shows what is there now: 404 NoSuchKey for what never was or is deleted, the new bytes after an overwrite.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(GET_OBJECT, ERRORS),
    proved_by=("get-missing-gives-empty-200", "url-serves-what-it-was-signed-for"),
    requires=URLS,
)
def test_a_url_shows_what_is_there_now(session: Session) -> None:
    absent = session.fetch(session.signed_url(session.fresh_key()))
    key, content = stored(session)
    url = session.signed_url(key)
    first = outcome(session.fetch(url), content)
    new = pattern_bytes(100) + secret_content(session)
    session.populate([key], new)
    overwritten = outcome(session.fetch(url), new)
    session.remove(key)
    gone = session.fetch(url)
    compare(
        (absent.summary, first, overwritten, gone.summary),
        ("404 NoSuchKey", SERVED, SERVED, "404 NoSuchKey"),
        "URL of a missing key; of an object, before and after an overwrite and after its deletion",
    )


@clause(
    "URL-014",
    "A URL works for every key of the layout.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=FILE_STORAGE,
    proved_by="signed-url-forgets-log-suffix",
    requires=URLS,
)
@example(file_type="FLOW_RUN_LOG", file_id="run-1", of_platform=False)
@example(file_type="PACKAGE_ARCHIVE", file_id="archive-1", of_platform=True)
@given(file_type=file_types(), file_id=ids(), of_platform=st.booleans())
def test_a_url_works_for_every_key_of_the_layout(
    session: Session, file_type: str, file_id: str, of_platform: bool
) -> None:
    owner = session.fresh_id()
    platform_id, project_id = (owner, None) if of_platform else (None, owner)
    key = session.layout.build(file_type, file_id, platform_id=platform_id, project_id=project_id)
    # Through the storage under test: if it cannot store a file of the layout, that is the backend's deviation.
    content = secret_content(session)
    session.storage.upload(key, content)
    compare(outcome(session.fetch(session.signed_url(key)), content), SERVED, f"URL of {key!r}")


@clause(
    "URL-026",
    "A URL works for every key that the backend holds.",
    level=Level.MUST,
    profile=Profile.S3,
    source=(PRESIGNED_SHARING, OBJECT_KEYS),
    proved_by="decodes-keys-of-urls-twice",
    requires=URLS,
)
@examples("tail", sorted(HOSTILE_KEYS.values(), key=len))
@given(tail=key_tails())
def test_a_url_works_for_any_key(session: Session, tail: str) -> None:
    key, content = session.fresh_prefix() + tail, secret_content(session)
    # Another clause decides whether such a key can be stored at all.
    only_if(session.wire.put(key, content).ok)
    only_if(session.wire.get(key).body == content)
    compare(outcome(session.fetch(session.signed_url(key)), content), SERVED, f"URL of a key that ends in {tail!r}")


@clause(
    "URL-019",
    "A URL signed with temporary credentials that end before it is reported as dying with them, and no other is.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(FILE_STORAGE, PRESIGNED_URLS),
    proved_by=("signed-url-keeps-quiet-about-credentials", "signed-url-warns-of-every-role"),
    requires=(*URLS, Capability.EXPIRING_CREDENTIALS),
)
@examples("left", (3600, MAX_URL_LIFE_S - 60, 60, 12 * 3600))
@given(left=st.integers(60, MAX_URL_LIFE_S - 60))
def test_a_url_that_outlives_its_credentials_is_reported(session: Session, left: int) -> None:
    storage, key = session.alternate_credentials.with_expiring_credentials(left), session.fresh_key()
    seen = {}
    for life in (left - 30, left + 30, MAX_URL_LIFE_S):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            storage.signed_url(key, expires_in=life)
        seen[life] = sum(issubclass(warning.category, CredentialsEndBeforeUrl) for warning in caught)
    compare(
        seen,
        {left - 30: 0, left + 30: 1, MAX_URL_LIFE_S: 1},
        f"warnings by life of the URL, signed with credentials that end in {left} s",
    )


READERS: Final = 8


@clause(
    "URL-020",
    "A URL serves many times, and many readers at once.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(FILE_STORAGE, PRESIGNED_URLS),
    proved_by="url-serves-once",
    requires=URLS,
)
def test_a_url_serves_many_readers(session: Session) -> None:
    key = session.fresh_key()
    content = pattern_bytes(256 * KIB)
    session.populate([key], content)
    url = session.signed_url(key)
    seen = [outcome(session.fetch(url), content) for _ in range(3)]
    with ThreadPoolExecutor(READERS) as pool:
        seen += pool.map(lambda _: outcome(session.fetch(url), content), range(3 * READERS))
    compare(seen, [SERVED] * len(seen), f"one URL, 3 times in a row, then {3 * READERS} times by {READERS} readers")
