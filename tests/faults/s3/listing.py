"""Faults of an S3 server that show in listings."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import quote, unquote_plus
from xml.sax.saxutils import escape

from tests.exemplar.types import Request, Response
from tests.faults.gateway import Forward, fault
from tests.faults.s3.patterns import bare

ENTRY = re.compile(r"<Contents>.*?</Contents>", re.DOTALL)
NAME = re.compile(r"(?<=<Key>)(.*?)(?=</Key>)", re.DOTALL)
COMMON = re.compile(r"<CommonPrefixes>.*?</CommonPrefixes>", re.DOTALL)
TOKEN = re.compile(r"<NextContinuationToken>(.*?)</NextContinuationToken>")


def _key(entry: str, *, encoded: bool) -> str:
    found = NAME.search(entry)
    name = html.unescape(found[1]) if found else ""
    return unquote_plus(name) if encoded else name


def _rewritten(request: Request, forward: Forward, change: Callable[[str], str]) -> Response:
    """Answer a listing with the XML of its body changed."""
    answer = forward(request)
    if not request.is_listing() or answer.status != 200:
        return answer
    return answer.with_body(change(answer.body.decode()).encode())


def _resorted(request: Request, forward: Forward, order: Callable[[str], object]) -> Response:
    encoded = "encoding-type" in request.query

    def change(body: str) -> str:
        entries = sorted(ENTRY.findall(body), key=lambda entry: order(_key(entry, encoded=encoded)))  # type: ignore[arg-type,return-value]
        pool = iter(entries)
        return ENTRY.sub(lambda _: next(pool), body)

    return _rewritten(request, forward, change)


def _changed(request: Request, forward: Forward, changed: Request) -> Response:
    """Answer a listing as if other parameters had been sent, if the signature of the true ones is good."""
    return forward.authentic(request) or forward.trusted(changed)


@fault(
    "lists-in-utf16-order",
    "a page is sorted by UTF-16 code units",
    breaks=["LIST-001"],
    origin="Java's String.compareTo",
)
def lists_in_utf16_order(request: Request, forward: Forward) -> Response:
    return _resorted(request, forward, lambda key: key.encode("utf-16-be"))


@fault("lists-in-case-blind-order", "a page is sorted without regard to case", breaks=["LIST-001"])
def lists_in_case_blind_order(request: Request, forward: Forward) -> Response:
    return _resorted(request, forward, str.lower)


@fault(
    "lists-folder-by-folder",
    "a page is sorted folder by folder, so `a/b` comes before `a!`",
    breaks=["LIST-001"],
    origin="SeaweedFS walks its folders",
)
def lists_folder_by_folder(request: Request, forward: Forward) -> Response:
    return _resorted(request, forward, lambda key: key.split("/"))


@fault("prefix-folds-case", "a prefix matches in any case", breaks=["LIST-013"])
def prefix_folds_case(request: Request, forward: Forward) -> Response:
    prefix = request.query.get("prefix", "")
    if not request.is_listing() or prefix.count("/") < 2:
        return forward(request)
    folder = "/".join(prefix.split("/")[:2]) + "/"
    answer = _changed(request, forward, request.with_query(prefix=folder))
    encoded = "encoding-type" in request.query

    def kept(found: re.Match[str]) -> str:
        return found[0] if _key(found[0], encoded=encoded).lower().startswith(prefix.lower()) else ""

    return answer.with_body(ENTRY.sub(kept, answer.body.decode()).encode())


@fault(
    "prefix-reads-plus-as-space",
    "a prefix is decoded once more, so that a plus in it asks for a space",
    breaks=["LIST-013"],
    origin="form decoding of a query that was decoded already",
)
def prefix_reads_plus_as_space(request: Request, forward: Forward) -> Response:
    prefix = request.query.get("prefix", "")
    if not request.is_listing() or "+" not in prefix:
        return forward(request)
    return _changed(request, forward, request.with_query(prefix=prefix.replace("+", " ")))


@fault("prefix-is-a-folder", "a prefix is treated as the name of a folder", breaks=["LIST-002", "LIST-013"])
def prefix_is_a_folder(request: Request, forward: Forward) -> Response:
    prefix = request.query.get("prefix", "")
    if not request.is_listing() or not prefix or prefix.endswith("/"):
        return forward(request)
    return _changed(request, forward, request.with_query(prefix=f"{prefix}/"))


FOREIGN: Final = "customers/somebody-else.txt"
"""What another tenant of the bucket stored, for a server that names it to whoever lists."""


@fault(
    "listing-names-what-was-not-asked-for",
    "the prefix is ignored where nothing else is asked: what others stored is named too",
    breaks=["LIST-002", "LIST-012", "LIST-013"],
)
def listing_names_others(request: Request, forward: Forward) -> Response:
    if not request.is_listing() or not request.query.get("prefix"):
        return forward(request)
    entry = (
        f"<Contents><Key>{FOREIGN}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
        '<ETag>"0"</ETag><Size>1</Size><StorageClass>STANDARD</StorageClass></Contents>'
    )
    return _rewritten(request, forward, lambda body: body.replace("</ListBucketResult>", entry + "</ListBucketResult>"))


def _inclusive(request: Request, forward: Forward, parameter: str) -> Response:
    """Answer a listing with the entry put first that the parameter names, where it exists."""
    start = request.query.get(parameter, "") if request.is_listing() else ""
    if not start.startswith(request.query.get("prefix", "")) or not start:
        return forward(request)
    bucket = bare(request, "GET").with_query(list_type="2", prefix=start, max_keys="1")
    first = ENTRY.search(forward.trusted(bucket).body.decode())
    if first is None or _key(first[0], encoded=False) != start:
        return forward(request)
    name = quote(start, safe="/") if "encoding-type" in request.query else escape(start)
    entry = NAME.sub(lambda _: name, first[0])
    return _rewritten(request, forward, lambda body: body.replace("</ListBucketResult>", entry + "</ListBucketResult>"))


@fault("start-after-is-inclusive", "a listing begins with the key of start-after itself", breaks=["LIST-003"])
def start_after_is_inclusive(request: Request, forward: Forward) -> Response:
    return _inclusive(request, forward, "start-after")


@fault(
    "start-after-wants-a-key-that-exists",
    "a start-after that is no key is ignored",
    breaks=["LIST-003"],
    origin="looking for the key and beginning behind it",
)
def start_after_wants_a_key(request: Request, forward: Forward) -> Response:
    start = request.query.get("start-after", "") if request.is_listing() else ""
    if (
        not start
        or forward.trusted(Request(method="HEAD", target=f"/{request.bucket}/x").with_key(start)).status == 200
    ):
        return forward(request)
    return _changed(request, forward, request.with_query(drop=["start-after"]))


@fault(
    "common-prefixes-come-again",
    "a common prefix at the end of a page comes again on the next",
    breaks=["LIST-004"],
    origin="a token that names the last key instead of the last common prefix",
)
def common_prefixes_come_again(request: Request, forward: Forward) -> Response:
    def change(body: str) -> str:
        commons, token = COMMON.findall(body), TOKEN.search(body)
        if token and commons:
            forward.memory[token[1]] = commons[-1]
        again = forward.memory.get(request.query.get("continuation-token"), "")
        return body.replace("</ListBucketResult>", again + "</ListBucketResult>")

    return _rewritten(request, forward, change)


@fault("common-prefixes-do-not-count", "max-keys counts the keys of a page alone", breaks=["LIST-004"])
def common_prefixes_do_not_count(request: Request, forward: Forward) -> Response:
    most = request.query.get("max-keys", "")
    if not (request.is_listing() and "delimiter" in request.query and most.isdecimal()):
        return forward(request)
    whole = _changed(request, forward, request.with_query(max_keys="1000"))
    return whole if len(ENTRY.findall(whole.body.decode())) <= int(most) else forward(request)


@fault("delimiter-hides-files", "with a delimiter only common prefixes are listed", breaks=["LIST-004"])
def delimiter_hides_files(request: Request, forward: Forward) -> Response:
    if "delimiter" not in request.query:
        return forward(request)
    return _rewritten(request, forward, lambda body: ENTRY.sub("", body))


def _encoded_names(request: Request, forward: Forward, change: Callable[[str], str]) -> Response:
    if "encoding-type" not in request.query:
        return forward(request)
    return _rewritten(request, forward, lambda body: NAME.sub(lambda found: change(found[1]), body))


@fault("encoded-listing-leaves-plus", "a plus is left as it is in an encoded listing", breaks=["LIST-005"])
def encoded_listing_leaves_plus(request: Request, forward: Forward) -> Response:
    return _encoded_names(request, forward, lambda name: name.replace("%2B", "+"))


@fault("encodes-listing-twice", "names of an encoded listing are encoded twice", breaks=["LIST-005"])
def encodes_listing_twice(request: Request, forward: Forward) -> Response:
    return _encoded_names(request, forward, lambda name: quote(name, safe="/+"))


@fault("ignores-encoding-type", "encoding-type is ignored", breaks=["LIST-005", "LIST-010"])
def ignores_encoding_type(request: Request, forward: Forward) -> Response:
    if not request.is_listing() or "encoding-type" not in request.query:
        return forward(request)
    return _changed(request, forward, request.with_query(drop=["encoding-type"]))


@fault("listing-gives-sizes-in-kib", "a listing gives sizes in whole KiB", breaks=["LIST-006"])
def listing_gives_sizes_in_kib(request: Request, forward: Forward) -> Response:
    return _rewritten(
        request, forward, lambda body: re.sub("(?<=<Size>)[0-9]+", lambda size: str(int(size[0]) // 1024), body)
    )


@fault("listing-gives-another-etag", "a listing gives ETags without quotes", breaks=["LIST-006"])
def listing_gives_another_etag(request: Request, forward: Forward) -> Response:
    return _rewritten(request, forward, lambda body: body.replace("&quot;", ""))


@fault("listing-gives-local-time", "a listing gives local time and calls it UTC", breaks=["LIST-006"])
def listing_gives_local_time(request: Request, forward: Forward) -> Response:
    def local(found: re.Match[str]) -> str:
        return (datetime.fromisoformat(found[0]) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%S.000Z")

    return _rewritten(request, forward, lambda body: re.sub("(?<=<LastModified>)[^<]+", local, body))


END = "the-end"


@fault(
    "page-of-a-key-hides-its-siblings",
    "a page of one key whose prefix is that very key says that nothing follows",
    breaks=["LIST-007", "LIST-013"],
    origin="MinIO takes such a listing for a question about that one object",
)
def page_of_a_key_hides_its_siblings(request: Request, forward: Forward) -> Response:
    prefix = request.query.get("prefix", "")

    def change(body: str) -> str:
        entries = ENTRY.findall(body)
        if len(entries) != 1 or _key(entries[0], encoded="encoding-type" in request.query) != prefix:
            return body
        return TOKEN.sub("", body).replace("<IsTruncated>true</IsTruncated>", "<IsTruncated>false</IsTruncated>")

    return _rewritten(request, forward, change) if request.query.get("max-keys") == "1" else forward(request)


@fault("full-page-says-truncated", "a page that is exactly full says that there is more", breaks=["LIST-007"])
def full_page_says_truncated(request: Request, forward: Forward) -> Response:
    query = request.query
    if query.get("continuation-token") == END:
        beyond = request.with_query(drop=["continuation-token"], start_after=query.get("prefix", "") + "\U0010ffff")
        return _changed(request, forward, beyond)

    def change(body: str) -> str:
        full = len(ENTRY.findall(body)) + len(COMMON.findall(body)) == int(query.get("max-keys", "1000"))
        if not full or TOKEN.search(body):
            return body
        more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{END}</NextContinuationToken>"
        return body.replace("<IsTruncated>false</IsTruncated>", more)

    return _rewritten(request, forward, change)


@fault(
    "names-beyond-the-prefix-are-more",
    "a full page says that there is more where the next name in the folder does not begin with the prefix",
    breaks=["LIST-007"],
    origin="VersityGW looks whether another name follows before it compares that name with the prefix",
)
def names_beyond_the_prefix_are_more(request: Request, forward: Forward) -> Response:
    query = request.query
    prefix = query.get("prefix", "")
    end = prefix + "\U0010ffff"
    if query.get("continuation-token") == END:
        return _changed(request, forward, request.with_query(drop=["continuation-token"], start_after=end))

    def change(body: str) -> str:
        full = len(ENTRY.findall(body)) + len(COMMON.findall(body)) == int(query.get("max-keys", "1000"))
        if not full or TOKEN.search(body):
            return body
        folder = prefix[: prefix.rfind("/") + 1]
        anew = request.with_query(drop=["continuation-token", "delimiter"], prefix=folder, start_after=end)
        return _with_more(body) if ENTRY.search(forward.trusted(anew).body.decode()) else body

    return _rewritten(request, forward, change)


@fault("key-count-is-max-keys", "KeyCount repeats max-keys", breaks=["LIST-007"])
def key_count_is_max_keys(request: Request, forward: Forward) -> Response:
    most = request.query.get("max-keys", "1000")
    return _rewritten(request, forward, lambda body: re.sub("(?<=<KeyCount>)[0-9]+", most, body))


@fault("paging-never-ends", "the token of the last page leads back to the first", breaks=["LIST-007"])
def paging_never_ends(request: Request, forward: Forward) -> Response:
    if request.query.get("continuation-token") == END:
        request_anew = request.with_query(drop=["continuation-token"])
        answer = _changed(request, forward, request_anew)
        return answer.with_body(_with_more(answer.body.decode()).encode())
    if "max-keys" not in request.query:
        return forward(request)
    return _rewritten(request, forward, _with_more)


def _with_more(body: str) -> str:
    more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{END}</NextContinuationToken>"
    return body.replace("<IsTruncated>false</IsTruncated>", more)


@fault("truncated-without-token", "a page that is not the last gives no token", breaks=["LIST-007"])
def truncated_without_token(request: Request, forward: Forward) -> Response:
    return _rewritten(request, forward, lambda body: TOKEN.sub("", body))


@fault("v1-marker-is-inclusive", "a listing of version 1 begins with the marker itself", breaks=["LIST-008"])
def v1_marker_is_inclusive(request: Request, forward: Forward) -> Response:
    return _inclusive(request, forward, "marker")


@fault("v1-knows-no-marker", "the marker of a listing of version 1 is ignored", breaks=["LIST-008"])
def v1_knows_no_marker(request: Request, forward: Forward) -> Response:
    if not request.is_listing() or "marker" not in request.query:
        return forward(request)
    return _changed(request, forward, request.with_query(drop=["marker"]))


@fault("bad-max-keys-means-default", "a max-keys that is no number is ignored", breaks=["LIST-009"])
def bad_max_keys_means_default(request: Request, forward: Forward) -> Response:
    if not request.is_listing() or request.query.get("max-keys", "0").isdecimal():
        return forward(request)
    return _changed(request, forward, request.with_query(drop=["max-keys"]))


@fault("max-keys-0-means-default", "max-keys=0 lists everything", breaks=["LIST-009"])
def max_keys_0_means_default(request: Request, forward: Forward) -> Response:
    if not request.is_listing() or request.query.get("max-keys") != "0":
        return forward(request)
    return _changed(request, forward, request.with_query(drop=["max-keys"]))


@fault("max-keys-over-1000-is-honoured", "a page may have more than 1000 keys", breaks=["LIST-009"])
def max_keys_over_1000_is_honoured(request: Request, forward: Forward) -> Response:
    most = request.query.get("max-keys", "")
    answer = forward(request)
    token = (
        TOKEN.search(answer.body.decode()) if request.is_listing() and most.isdecimal() and int(most) > 1000 else None
    )
    if token is None:
        return answer
    rest = forward.trusted(
        request.with_query(continuation_token=html.unescape(token[1]), max_keys=str(int(most) - 1000))
    )
    more = "".join(ENTRY.findall(rest.body.decode()))
    whole = TOKEN.sub("", answer.body.decode()).replace("</ListBucketResult>", more + "</ListBucketResult>")
    return answer.with_body(whole.encode())


UNCARRIED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


@fault("listing-drops-keys-xml-cannot-carry", "keys that XML cannot carry are left out", breaks=["LIST-010"])
def drops_keys_xml_cannot_carry(request: Request, forward: Forward) -> Response:
    def kept(found: re.Match[str]) -> str:
        return "" if UNCARRIED.search(_key(found[0], encoded=True)) else found[0]

    return _rewritten(request, forward, lambda body: ENTRY.sub(kept, body))


@fault("encoded-listing-leaves-controls", "control characters are not encoded: no XML comes", breaks=["LIST-010"])
def encoded_listing_leaves_controls(request: Request, forward: Forward) -> Response:
    return _encoded_names(
        request, forward, lambda name: re.sub("%([01][0-9A-F])", lambda code: chr(int(code[1], 16)), name)
    )


@fault("made-up-token-starts-anew", "an unknown token lists from the start", breaks=["LIST-011"])
def made_up_token_starts_anew(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    if answer.status != 400 or "continuation-token" not in request.query:
        return answer
    return _changed(request, forward, request.with_query(drop=["continuation-token"]))
