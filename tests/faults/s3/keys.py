"""Faults of an S3 server that show in keys."""

from __future__ import annotations

import hashlib
import html
import posixpath
import re
from dataclasses import replace
from urllib.parse import quote, unquote_plus

from tests.exemplar.types import Request, Response
from tests.faults.gateway import Forward, fault
from tests.faults.s3.patterns import bare, rekeyed


def refusal(status: int, code: str) -> Response:
    """Return an error answer as S3 words it."""
    body = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
    return Response(status=status, headers=(("Content-Type", "application/xml"),), body=body)


def keys_below(request: Request, forward: Forward, prefix: str) -> list[str]:
    """Return the keys of the bucket that start with a prefix."""
    bucket = Request(method="GET", target=f"/{request.bucket}", headers=(("Host", request.header("host")),))
    listing = forward.trusted(bucket.with_query(list_type="2", encoding_type="url", prefix=prefix))
    return [unquote_plus(html.unescape(key)) for key in re.findall("<Contents><Key>(.*?)</Key>", listing.body.decode())]


@fault(
    "plus-in-key-is-a-space",
    "a plus in the path of a request is read as a space, as in a form",
    breaks=["KEY-009", "KEY-010"],
    origin="unquote_plus on a path",
)
def plus_is_a_space(request: Request, forward: Forward) -> Response:
    return rekeyed(request, forward, request.key.replace("+", " "))


@fault("trims-keys", "white space around a key is trimmed", breaks=["KEY-009", "KEY-010"])
def trims_keys(request: Request, forward: Forward) -> Response:
    return rekeyed(request, forward, request.key.strip())


@fault("copy-source-is-not-decoded", "the source of a copy is not percent-decoded", breaks=["KEY-009"])
def copy_source_is_not_decoded(request: Request, forward: Forward) -> Response:
    source = request.header("x-amz-copy-source")
    if not source:
        return forward(request)
    return forward.authentic(request) or forward.trusted(request.with_header("x-amz-copy-source", quote(source)))


@fault(
    "resolves-dot-segments",
    "`a/./b` and `a/../b` are resolved like paths of files",
    breaks=["KEY-010"],
    origin="an HTTP router that cleans paths",
)
def resolves_dot_segments(request: Request, forward: Forward) -> Response:
    if not {".", ".."} & set(request.key.split("/")):
        return forward(request)
    return rekeyed(request, forward, posixpath.normpath(request.key))


@fault("strips-trailing-slash", "a slash at the end of a key is dropped", breaks=["KEY-010"])
def strips_trailing_slash(request: Request, forward: Forward) -> Response:
    return rekeyed(request, forward, request.key.rstrip("/"))


def _cut(key: str, size: int) -> str:
    return key.encode()[:size].decode("utf-8", "ignore")


@fault("cuts-keys-at-1024-bytes", "a key that is too long is cut and stored", breaks=["KEY-011"])
def cuts_keys(request: Request, forward: Forward) -> Response:
    return rekeyed(request, forward, _cut(request.key, 1024))


def _held_all_the_same(request: Request, forward: Forward) -> Response:
    # The good server has its own limit, so the object is stored under a digest of the long name.
    digest = hashlib.sha256(request.key.encode()).hexdigest()
    return rekeyed(request, forward, _cut(request.key, 900) + digest)


@fault("takes-longer-keys", "there is no bound on the length of a key", breaks=["KEY-011"])
def takes_longer_keys(request: Request, forward: Forward) -> Response:
    return _held_all_the_same(request, forward) if len(request.key.encode()) > 1024 else forward(request)


@fault("counts-key-characters", "the length of a key is counted in characters, not in bytes", breaks=["KEY-011"])
def counts_key_characters(request: Request, forward: Forward) -> Response:
    long = len(request.key.encode()) > 1024 >= len(request.key)
    return _held_all_the_same(request, forward) if long else forward(request)


@fault("refuses-keys-of-1000-bytes", "a key over 1000 bytes is refused", breaks=["KEY-011"])
def refuses_keys_of_1000_bytes(request: Request, forward: Forward) -> Response:
    return refusal(400, "KeyTooLongError") if len(request.key.encode()) > 1000 else forward(request)


@fault(
    "refuses-long-segments",
    "a part of a key between slashes may have 255 bytes, as a file name on disk",
    breaks=["KEY-012"],
    origin="MinIO and SeaweedFS keep names as those of files",
)
def refuses_long_segments(request: Request, forward: Forward) -> Response:
    longest = max(len(part.encode()) for part in request.key.split("/"))
    return refusal(400, "KeyTooLongError") if longest > 255 else forward(request)


@fault("delete-takes-what-lies-below", "deleting `a` deletes `a/b` with it, like a folder", breaks=["KEY-015"])
def delete_takes_what_lies_below(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    if request.is_object("DELETE") and answer.status == 204:
        for key in keys_below(request, forward, f"{request.key}/"):
            forward.trusted(replace(bare(request, "DELETE")).with_key(key))
    return answer


@fault(
    "file-bars-folder",
    "next to an object `a` no `a/b` can be stored",
    breaks=["KEY-015"],
    origin="MinIO answers XMinioParentIsObject",
)
def file_bars_folder(request: Request, forward: Forward) -> Response:
    if request.is_object("PUT"):
        parts = request.key.split("/")
        for end in range(1, len(parts)):
            probe = bare(request, "HEAD").with_key("/".join(parts[:end]))
            if forward.trusted(probe).status == 200:
                return refusal(400, "XMinioParentIsObject")
    return forward(request)


@fault(
    "folder-bars-file",
    "where `a/b` is stored, no object `a` can be",
    breaks=["KEY-015"],
    origin="MinIO answers XMinioObjectExistsAsDirectory",
)
def folder_bars_file(request: Request, forward: Forward) -> Response:
    if request.is_object("PUT") and keys_below(request, forward, f"{request.key}/"):
        return refusal(409, "XMinioObjectExistsAsDirectory")
    return forward(request)


@fault(
    "object-hides-what-lies-below",
    "where `a` is stored, `a/b` can be read but is not listed",
    breaks=["KEY-015"],
    origin="MinIO does not look for keys inside the folder of an object",
)
def object_hides_what_lies_below(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    if not request.is_listing() or answer.status != 200:
        return answer
    entry = re.compile("<Contents><Key>(.*?)</Key>.*?</Contents>", re.DOTALL)
    body = answer.body.decode()
    names = entry.findall(body)

    def shown(found: re.Match[str]) -> str:
        return "" if any(found[1].startswith(f"{name}/") for name in names) else found[0]

    return answer.with_body(entry.sub(shown, body).encode())


@fault(
    "hides-dot-names",
    "names that begin with a dot are never listed",
    breaks=["KEY-014"],
    origin="SeaweedFS leaves .uploads out of listings",
)
def hides_dot_names(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    if not request.is_listing():
        return answer
    hidden = rb"<Contents><Key>[^<]*/\.[^<]*</Key>(?:(?!</Contents>).)*</Contents>"
    return answer.with_body(re.sub(hidden, b"", answer.body, flags=re.DOTALL))


@fault(
    "keeps-metadata-beside-objects", "each object has its metadata next to it, as `{key}.metadata`", breaks=["KEY-014"]
)
def keeps_metadata_beside_objects(request: Request, forward: Forward) -> Response:
    answer = forward(request)
    if request.is_object("PUT") and answer.status == 200:
        beside = bare(request, "PUT").with_key(f"{request.key}.metadata").with_body(b"{}")
        forward.trusted(beside)
    return answer


@fault("reads-numbers-in-names", "a name of digits is kept as the number it spells", breaks=["KEY-014"])
def reads_numbers_in_names(request: Request, forward: Forward) -> Response:
    folder, slash, name = request.key.rpartition("/")
    if not (name.isascii() and name.isdecimal()):
        return forward(request)
    return rekeyed(request, forward, f"{folder}{slash}{int(name)}")
