"""URL: the limits of a signed URL. Its holder can do what was signed, and nothing else."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from hypothesis import given
from hypothesis import strategies as st

from bucket_conformance.conformance.catalogue import also, clause
from bucket_conformance.conformance.contract import Capability, Level, Profile
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.strategies import (
    HOSTILE_FILE_NAMES,
    examples,
    file_names,
)
from bucket_conformance.conformance.testkit import content_disposition
from bucket_conformance.conformance.testkit.sources import FILE_STORAGE, GET_OBJECT, PRESIGNED_URLS, QUERY_AUTH
from bucket_conformance.conformance.testkit.url_outcomes import (
    AS_BEFORE,
    CHANGED,
    REFUSED,
    SERVED,
    bypass,
    outcome,
    require_each,
    stored,
)
from bucket_conformance.conformance.testkit.url_tampering import (
    How,
    SignedUrl,
    edit_at,
    named_edits,
    other_character,
    reviving_edits,
    unsigned,
)
from bucket_conformance.conformance.verdict import compare, require
from bucket_conformance.conformance.wire.transport import HttpResponse
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError

URLS: Final = (Capability.SIGNED_URLS,)


@clause(
    "URL-009",
    "A URL that was changed in any way (key, bucket, period, scope, signed headers, any query value, any character of "
    "the signature) is refused, and the refusal shows neither content nor the true signature.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=QUERY_AUTH,
    proved_by=(
        "ignores-url-signature",
        "compares-half-the-signature",
        "key-is-not-signed",
        "takes-the-last-of-two-lives",
        "refusal-tells-the-true-signature",
        "refusal-shows-the-object",
    ),
    requires=URLS,
)
def test_a_changed_url_is_refused(session: Session) -> None:
    key, content = stored(session)
    other_key, other = stored(session)
    url = session.signed_url(key, "report.txt", expires_in=86_400, age_s=3600)
    truth = SignedUrl.of(url, key).signature
    seen = {}
    signs_all = Capability.WIRE in session.capabilities
    for edit in named_edits(url, key, other_key):
        if edit.changes_nothing and not signs_all:
            continue  # a storage's own scheme need not sign what it does not read
        # An error may quote the request, so the true signature is a leak only where the request did not contain it.
        words = [truth] if truth not in edit.url else []
        seen[edit.name] = outcome(session.fetch(edit.url, made_from=url), content, hidden=[other], words=words)
    dead = session.signed_url(key, expires_in=3600, age_s=3660)
    now = datetime.now(UTC) + timedelta(seconds=session.clock_offset_s)
    for edit in reviving_edits(dead, key, now):
        seen[f"expired, {edit.name}"] = outcome(session.fetch(edit.url, made_from=dead), content)
    require_each(seen, REFUSED, "every change to a URL", harm=bypass(*seen.values()))


@also("URL-009", requires=URLS)
@given(
    position=st.integers(0, 999),
    how=st.sampled_from(("changed", "inserted", "dropped")),
    character=st.sampled_from("0123456789abcdefghijklmnopqrstuvwxyz"),
)
def test_no_single_character_of_a_url_may_change(session: Session, position: int, how: How, character: str) -> None:
    key, content = stored(session)
    url = session.signed_url(key, "report.txt", expires_in=86_400, age_s=60)
    edit = edit_at(url, key, position, how, character)
    seen = outcome(session.fetch(edit.url, made_from=url), content)
    compare(seen, REFUSED, f"URL with {edit.name}", harm=bypass(seen))


@also("URL-009", requires=(*URLS, Capability.WIRE))
def test_the_host_of_a_url_may_not_change(session: Session) -> None:
    key, content = stored(session)
    url = session.signed_url(key)
    host = urlsplit(url).netloc
    label, _, rest = host.partition(".")
    # Where the host contains the bucket: another bucket; otherwise the same host with another port.
    by_host = session.wire.endpoint.addressing == "virtual"
    other = f"{label[:-1]}{other_character(label[-1])}.{rest}" if by_host else f"{host.rpartition(':')[0] or host}:1"
    seen = outcome(session.fetch(url, headers=(("Host", other),)), content)
    compare(seen, REFUSED, f"URL of {host} sent to {other}", harm=bypass(seen))


@clause(
    "URL-010",
    "A URL is bound to its method: one for GET neither writes nor deletes, one for PUT neither reads nor deletes.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(PRESIGNED_URLS, QUERY_AUTH),
    proved_by=("url-good-for-any-method", "ignores-url-signature"),
    requires=URLS,
)
def test_a_url_for_get_does_nothing_else(session: Session) -> None:
    seen = {}
    for method in ("PUT", "POST", "DELETE"):
        key, content = stored(session)
        missing = session.fresh_key()
        for name, there in ((key, content), (missing, None)):
            body = b"" if method == "DELETE" else b"overwritten"
            response = session.fetch(session.signed_url(name), method=method, body=body)
            left = AS_BEFORE if _bytes_of(session, name) == there else CHANGED
            seen[f"{method} on {'an object' if there else 'a missing key'}"] = (outcome(response, content), left)
    require_each(seen, (REFUSED, AS_BEFORE), "a URL for GET, used otherwise", harm=bypass(*seen.values()))


@also("URL-010", requires=(*URLS, Capability.SIGNED_UPLOADS))
def test_a_url_for_put_does_nothing_else(session: Session) -> None:
    seen = {}
    for method in ("GET", "POST", "DELETE"):
        key, content = stored(session)
        response = session.fetch(session.signed_upload_url(key), method=method, body=b"" if method != "POST" else b"no")
        left = AS_BEFORE if _bytes_of(session, key) == content else CHANGED
        seen[method] = (outcome(response, content), left)
    require_each(seen, (REFUSED, AS_BEFORE), "a URL for PUT, used otherwise", harm=bypass(*seen.values()))


def _bytes_of(session: Session, key: str) -> bytes | None:
    try:
        return session.storage.download(key)
    except StorageError as error:
        if error.code is ErrorCode.NOT_FOUND:
            return None
        raise


@clause(
    "URL-011",
    "The file name that a URL was signed with comes back as one Content-Disposition header by RFC 6266 and RFC 8187, "
    "exactly, and no name puts anything else into the answer.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(
        GET_OBJECT,
        "https://www.rfc-editor.org/rfc/rfc6266.html#section-4",
        "https://www.rfc-editor.org/rfc/rfc8187.html#section-3.2",
    ),
    proved_by=(
        "ignores-response-content-disposition",
        "signed-url-names-files-raw",
        "signed-url-drops-the-file-name",
        "decodes-overrides-twice",
    ),
    requires=URLS,
)
@examples("file_name", sorted(HOSTILE_FILE_NAMES.values(), key=len))
@given(file_name=file_names())
def test_a_file_name_comes_back_and_injects_nothing(session: Session, file_name: str) -> None:
    key, content = stored(session)
    url = session.signed_url(key, file_name)
    problem = _disposition_problem(url, key, session.fetch(url), file_name, content)
    require(not problem, promised=f"Content-Disposition: attachment with the name {file_name!r}", observed=problem)


MAX_NAME_CHARS: Final = 255
"""Maximum length of names in file systems; a longer name may come back shortened."""


def _disposition_problem(url: str, key: str, response: HttpResponse, name: str, content: bytes) -> str:
    seen = outcome(response, content)
    if seen != SERVED:
        return seen
    injected = [header for header, _ in response.headers if header.lower().startswith("x-injected")]
    if injected:
        return f"the name put a header of its own into the answer: {injected[0]!r}"
    values = [value for header, value in response.headers if header.lower() == "content-disposition"]
    if len(values) != 1:
        return f"{len(values)} Content-Disposition headers"
    asked = dict(SignedUrl.of(url, key).pairs).get("response-content-disposition")
    if asked is not None and values[0] != asked:
        return f"Content-Disposition {values[0]!r}, where the URL asks for {asked!r}"
    if not (values[0].isascii() and values[0].isprintable()):
        return f"bytes in the header that are no printable ASCII: {values[0]!r}"
    try:
        kind, _ = content_disposition.parse(values[0])
        came = content_disposition.file_name(values[0])
    except content_disposition.HeaderError as error:
        return f"{error} in {values[0]!r}"
    if kind != "attachment":
        return f"disposition type {kind!r} in {values[0]!r}"
    if came is None or not _same_name(came, name):
        return f"the file name {came!r}, from {values[0]!r}"
    return ""


def _same_name(came: str, name: str) -> bool:
    """Return whether a name came back: exactly, except for control characters and for what is beyond 255 characters."""
    if len(name) > MAX_NAME_CHARS:
        return len(came) >= MAX_NAME_CHARS - 55 and _same_name(came[:200], name[:200])

    def control(character: str) -> bool:
        return unicodedata.category(character) == "Cc"

    if len(came) == len(name):
        return all(a == b or control(b) for a, b in zip(came, name, strict=True))
    return came == "".join(character for character in name if not control(character))


OVERRIDES: Final = {
    "response-content-type": "text/html",
    "response-content-language": "de",
    "response-expires": "Thu, 01 Dec 2033 16:00:00 GMT",
    "response-cache-control": "public, max-age=31536000",
    "response-content-disposition": "inline",
    "response-content-encoding": "gzip",
}
"""What a GET may request for the headers of its response: a way to turn a file into a web page."""


@clause(
    "URL-012",
    "An override of an answer's header that was added, or changed, after signing is refused.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(GET_OBJECT, QUERY_AUTH),
    proved_by=("overrides-are-not-signed", "ignores-url-signature"),
    requires=URLS,
)
def test_an_override_added_after_signing_is_refused(session: Session) -> None:
    key, content = stored(session)
    seen = {}
    for file_name in (None, "report.txt"):
        url = session.signed_url(key, file_name)
        signed = SignedUrl.of(url, key)
        for pair in OVERRIDES.items():
            others = tuple(known for known in signed.pairs if known[0] != pair[0])
            for where, pairs in (("behind", (*others, pair)), ("before", (pair, *others))):
                named = f"{pair[0]} {where}" + (" a signed file name" if file_name else "")
                seen[named] = outcome(session.fetch(signed.build(pairs), made_from=url), content)
    require_each(seen, REFUSED, "every override of a header, added after signing", harm=bypass(*seen.values()))


@clause(
    "URL-017",
    "Without a signature, with one of a wrong secret, or with one of an unknown access key, a request is refused with "
    "a 4xx and shows none of the content.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(FILE_STORAGE, QUERY_AUTH),
    proved_by=("serves-without-a-signature", "ignores-url-signature", "serves-unknown-access-keys"),
    requires=URLS,
)
def test_a_request_without_a_signature_is_refused(session: Session) -> None:
    key, content = stored(session)
    address = unsigned(session.signed_url(key))
    seen = {
        "no query": outcome(session.fetch(address), content),
        "an empty query": outcome(session.fetch(address + "?"), content),
        "a part of it": outcome(session.fetch(address, headers=(("Range", "bytes=0-63"),)), content),
    }
    require_each(seen, REFUSED, "a GET without a signature", harm=bypass(*seen.values()))


@also("URL-017", requires=(*URLS, Capability.OTHER_SECRETS))
def test_a_url_signed_with_a_wrong_secret_is_refused(session: Session) -> None:
    key, content = stored(session)
    url = session.signed_url(key, storage=session.alternate_credentials.with_wrong_secret())
    seen = outcome(session.fetch(url), content)
    compare(seen, REFUSED, "URL signed with a wrong secret", harm=bypass(seen))


@also("URL-017", requires=(*URLS, Capability.WIRE))
def test_a_url_signed_by_an_unknown_access_key_is_refused(session: Session) -> None:
    key, content = stored(session)
    response = session.wire.fetch_presigned("GET", key, keys=session.wire.unknown_key())
    seen = outcome(response, content)
    compare(seen, REFUSED, "URL signed by an access key that nobody has", harm=bypass(seen))
