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
from bucket_conformance.conformance.testkit.needs import is_refusal
from bucket_conformance.conformance.testkit.sources import FILE_STORAGE, GET_OBJECT, PRESIGNED_URLS, QUERY_AUTH
from bucket_conformance.conformance.testkit.url_outcomes import (
    ALIVE,
    AS_BEFORE,
    CHANGED,
    REFUSED,
    SERVED,
    Outcome,
    bypass,
    outcome,
    require_each,
    stored,
    tampered,
    twins_served,
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
from bucket_conformance.conformance.verdict import NeedsRefused, compare, require
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
        "remembers-good-signatures",
        "ignores-a-token-that-was-added",
        "distrusts-a-url-that-was-tampered-with",
    ),
    requires=URLS,
)
def test_a_changed_url_is_refused(session: Session) -> None:
    key, content = stored(session)
    other_key, other = stored(session)
    url = session.signed_url(key, "report.txt", expires_in=86_400, age_s=3600)
    truth = SignedUrl.of(url, key).signature
    signs_all = Capability.WIRE in session.capabilities
    # A storage's own scheme need not sign what it does not read.
    edits = [edit for edit in named_edits(url, key, other_key) if signs_all or not edit.changes_nothing]
    seen: dict[str, Outcome] = {}

    def use(when: str) -> None:
        seen[f"{ALIVE}{when}"] = outcome(session.fetch(url), content)

    def try_edits(when: str) -> None:
        for number, edit in enumerate(edits):
            # An error may quote the request, so the true signature is a leak only where the request did not contain it.
            words = [truth] if truth not in edit.url else []
            response = session.fetch(edit.url, made_from=url)
            seen[edit.name + when] = outcome(response, content, hidden=[other], words=words)
            if when and number % EDITS_BETWEEN == 0:
                use(f", between its changes ({number})")

    # Before the good one was ever used, then between its uses: who remembers signatures that were good serves these.
    try_edits("")
    use("")
    try_edits(", after a good use")
    dead = session.signed_url(key, expires_in=3600, age_s=3660)
    now = datetime.now(UTC) + timedelta(seconds=session.clock_offset_s)
    for edit in reviving_edits(dead, key, now):
        seen[f"expired, {edit.name}"] = outcome(session.fetch(edit.url, made_from=dead), content)
    use(" in the end")
    require_each(seen, twins_served(seen), "every change to a URL", harm=bypass(*tampered(seen)))


EDITS_BETWEEN: Final = 16
"""After so many changed URLs the good one is used again."""


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
    before = outcome(session.fetch(edit.url, made_from=url), content)
    alive = outcome(session.fetch(url), content)
    after = outcome(session.fetch(edit.url, made_from=url), content)
    what = f"URL with {edit.name}; the good one; the changed one again"
    compare((before, alive, after), (REFUSED, SERVED, REFUSED), what, harm=bypass(before, after))


@also("URL-009", requires=(*URLS, Capability.WIRE))
def test_the_host_of_a_url_may_not_change(session: Session) -> None:
    key, content = stored(session)
    url = session.signed_url(key)
    host = urlsplit(url).netloc
    label, _, rest = host.partition(".")
    # Where the host contains the bucket: another bucket; otherwise the same host with another port.
    by_host = session.wire.endpoint.addressing == "virtual"
    other = f"{label[:-1]}{other_character(label[-1])}.{rest}" if by_host else f"{host.rpartition(':')[0] or host}:1"
    before = outcome(session.fetch(url, headers=(("Host", other),)), content)
    alive = outcome(session.fetch(url), content)
    after = outcome(session.fetch(url, headers=(("Host", other),)), content)
    what = f"URL of {host} sent to {other}; as signed; to the other again"
    compare((before, alive, after), (REFUSED, SERVED, REFUSED), what, harm=bypass(before, after))


@clause(
    "URL-010",
    "A URL is bound to its method: one for GET neither writes nor deletes, one for PUT neither reads nor deletes.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(PRESIGNED_URLS, QUERY_AUTH),
    proved_by=(
        "url-good-for-any-method",
        "ignores-url-signature",
        "remembers-good-signatures",
        "url-for-get-gives-head",
    ),
    requires=URLS,
)
def test_a_url_for_get_does_nothing_else(session: Session) -> None:
    seen = {}
    for method in ("PUT", "POST", "DELETE"):
        key, content = stored(session)
        missing = session.fresh_key()
        for name, there in ((key, content), (missing, None)):
            body = b"" if method == "DELETE" else b"overwritten"
            url = session.signed_url(name)
            if there is not None:
                # First as it was signed: its signature is then one that was good.
                alive = outcome(session.fetch(url), content)
                compare(alive, SERVED, "a URL for GET, used for GET")
            response = session.fetch(url, method=method, body=body)
            left = AS_BEFORE if _bytes_of(session, name) == there else CHANGED
            seen[f"{method} on {'an object' if there else 'a missing key'}"] = (outcome(response, content), left)
    require_each(seen, (REFUSED, AS_BEFORE), "a URL for GET, used otherwise", harm=bypass(*seen.values()))


@also("URL-010", requires=(*URLS, Capability.SIGNED_UPLOADS))
def test_a_url_for_put_does_nothing_else(session: Session) -> None:
    seen = {}
    for method in ("GET", "POST", "DELETE"):
        key, content = stored(session)
        url = session.signed_upload_url(key)
        # First as it was signed: its signature is then one that was good.
        alive = session.fetch(url, method="PUT", body=content)
        compare(alive.summary, "200", "answer to a URL for PUT, used for PUT")
        response = session.fetch(url, method=method, body=b"" if method != "POST" else b"no")
        left = AS_BEFORE if _bytes_of(session, key) == content else CHANGED
        seen[method] = (outcome(response, content), left)
    require_each(seen, (REFUSED, AS_BEFORE), "a URL for PUT, used otherwise", harm=bypass(*seen.values()))


@also("URL-010", requires=(*URLS, Capability.WIRE))
def test_a_url_for_get_gives_no_head(session: Session) -> None:
    key, content = stored(session)
    twin = session.wire.fetch_presigned("HEAD", key)
    if not twin.ok:
        # URL-018 decides whether a URL for HEAD is served; without one a refusal proves nothing here.
        raise NeedsRefused("HEAD by a URL that was signed for HEAD", f"HEAD → {twin.summary}")
    url = session.signed_url(key)
    before = session.fetch(url, method="HEAD").status
    alive = outcome(session.fetch(url), content)
    after = session.fetch(url, method="HEAD").status
    observed = (_head(before), alive, _head(after))
    compare(observed, (REFUSED, SERVED, REFUSED), "a URL for GET, used for HEAD, for GET, and for HEAD again")


def _head(status: int) -> str:
    return REFUSED if is_refusal(status) else f"{status}"


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


OVERRIDDEN: Final = {
    "response-content-type": ("Content-Type", "text/css"),
    "response-content-language": ("Content-Language", "de"),
    "response-expires": ("Expires", "Thu, 01 Dec 2033 16:00:00 GMT"),
    "response-cache-control": ("Cache-Control", "private, max-age=60"),
    "response-content-disposition": ("Content-Disposition", 'attachment; filename="a b.css"'),
    "response-content-encoding": ("Content-Encoding", "identity"),
}
"""The overrides that Amazon S3 documents: the header that each replaces, and a value that is no server's own."""


@clause(
    "URL-032",
    "Each of the six overrides of a header that a URL was signed with comes back in the answer, also to a Range.",
    level=Level.MUST,
    profile=Profile.S3,
    source=GET_OBJECT,
    proved_by=("knows-four-overrides", "range-forgets-overrides"),
    requires=URLS,
)
@examples("names", [tuple(OVERRIDDEN), *((name,) for name in OVERRIDDEN)])
@given(names=st.lists(st.sampled_from(sorted(OVERRIDDEN)), min_size=1, unique=True).map(tuple))
def test_signed_overrides_come_back(session: Session, names: tuple[str, ...]) -> None:
    key, content = stored(session)
    query = [(name, OVERRIDDEN[name][1]) for name in names]
    whole = session.wire.fetch_presigned("GET", key, query=query)
    asked = (("Range", "bytes=3-9"),)
    part = session.wire.fetch_presigned("GET", key, query=query, sent=asked)
    due = {OVERRIDDEN[name][0]: OVERRIDDEN[name][1] for name in names}
    for what, response, bodies in (("whole", whole, [content]), ("a range", part, [content[3:10], content])):
        # URL-015 decides how a range is answered.
        compare((response.ok, response.body in bodies), (True, True), f"{what} ({response.summary}): served, its bytes")
        seen = {header: response.header(header) for header in due}
        compare(seen, due, f"{what}: the headers that the URL asks for")


@clause(
    "URL-012",
    "An override of an answer's header that was added, or changed, after signing is refused.",
    level=Level.MUST,
    profile=Profile.CORE,
    source=(GET_OBJECT, QUERY_AUTH),
    proved_by=("overrides-are-not-signed", "ignores-url-signature", "remembers-good-signatures"),
    requires=URLS,
)
def test_an_override_added_after_signing_is_refused(session: Session) -> None:
    key, content = stored(session)
    seen: dict[str, Outcome] = {}
    for file_name in (None, "report.txt"):
        url = session.signed_url(key, file_name)
        signed = SignedUrl.of(url, key)
        if file_name:
            # This one is used before it is changed, the other one afterwards.
            seen[f"{ALIVE} with a file name"] = outcome(session.fetch(url), content)
        for pair in OVERRIDES.items():
            others = tuple(known for known in signed.pairs if known[0] != pair[0])
            for where, pairs in (("behind", (*others, pair)), ("before", (pair, *others))):
                named = f"{pair[0]} {where}" + (" a signed file name" if file_name else "")
                seen[named] = outcome(session.fetch(signed.build(pairs), made_from=url), content)
        seen[ALIVE + (" with a file name, in the end" if file_name else "")] = outcome(session.fetch(url), content)
    what = "every override of a header, added after signing"
    require_each(seen, twins_served(seen), what, harm=bypass(*tampered(seen)))


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
    url = session.signed_url(key)
    address = unsigned(url)
    seen = {
        "no query": outcome(session.fetch(address), content),
        ALIVE: outcome(session.fetch(url), content),
        "no query, after a good use": outcome(session.fetch(address), content),
        "an empty query": outcome(session.fetch(address + "?"), content),
        "a part of it": outcome(session.fetch(address, headers=(("Range", "bytes=0-63"),)), content),
    }
    require_each(seen, twins_served(seen), "a GET without a signature", harm=bypass(*tampered(seen)))


@also("URL-017", requires=(*URLS, Capability.OTHER_SECRETS))
def test_a_url_signed_with_a_wrong_secret_is_refused(session: Session) -> None:
    key, content = stored(session)
    url = session.signed_url(key, storage=session.alternate_credentials.with_wrong_secret())
    _require_refused_beside_a_good_one(session, key, content, url, "URL signed with a wrong secret")


def _require_refused_beside_a_good_one(session: Session, key: str, content: bytes, url: str, what: str) -> None:
    before = outcome(session.fetch(url), content)
    alive = outcome(session.fetch(session.signed_url(key)), content)
    after = outcome(session.fetch(url), content)
    compare(
        (before, alive, after),
        (REFUSED, SERVED, REFUSED),
        f"{what}; a good one; the first again",
        harm=bypass(before, after),
    )


@also("URL-017", requires=(*URLS, Capability.WIRE))
def test_a_url_signed_by_an_unknown_access_key_is_refused(session: Session) -> None:
    key, content = stored(session)
    response = session.wire.fetch_presigned("GET", key, keys=session.wire.unknown_key())
    seen = outcome(response, content)
    alive = outcome(session.fetch(session.signed_url(key)), content)
    compare(
        (seen, alive), (REFUSED, SERVED), "URL signed by an access key that nobody has; a good one", harm=bypass(seen)
    )
