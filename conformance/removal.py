"""Removing what a run created, told by the mark in its name; nothing else is ever touched."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import unquote_plus

from conformance.s3_wire import S3Wire
from conformance.session import LEADS, MARK
from conformance.verdict import ViewError
from conformance.views import S3View

_RUN: Final = re.compile(rf"{MARK}[0-9a-f]{{8}}-[0-9a-f]{{6}}(-[0-9a-f]+)?")


def is_bucket_of_a_run(name: str) -> bool:
    """Whether a bucket bears the name that runs give to theirs. Anybody may call a bucket ``conformance-reports``."""
    return _RUN.fullmatch(name) is not None


def is_key_of_a_run(key: str) -> bool:
    """Whether a key bears a run's mark where runs put it."""
    rest = key.removeprefix("project/").removeprefix("platform/")
    return any(_RUN.match(rest.removeprefix(lead)) for lead in ("", "/", *LEADS))


def run_prefixes(run_id: str = "") -> tuple[str, ...]:
    """Return the prefixes below which all keys of a run lie.

    Without ``run_id``: those of every run, and perhaps of other people; see :func:`is_key_of_a_run`.
    """
    name = f"{MARK}{run_id}"
    below = f"{name}/" if run_id else name
    return (below, f"project/{name}", f"platform/{name}", *(f"{lead}{below}" for lead in ("/", *LEADS)))


def remove_run(wire: S3Wire, run_id: str, *, with_bucket: bool) -> None:
    left = ""
    try:
        if with_bucket:
            left = remove_bucket(wire)
        else:
            remove_keys(wire, run_prefixes(run_id))
            abort_uploads(wire, run_prefixes(run_id))
            keys = [key for prefix in run_prefixes(run_id) for key in S3View(wire).keys(prefix)]
            left = f"{len(keys)} objects in bucket {wire.bucket}, such as {keys[0]!r}" if keys else ""
    except ViewError as error:
        left = f"what bears {MARK}{run_id} in bucket {wire.bucket} ({error})"
    wire.transport.recorder.left_behind = left


def remove_bucket(wire: S3Wire) -> str:
    """Remove the bucket with all that is in it; return what is left, '' where nothing is."""
    answer = wire.request("DELETE")
    if not answer.ok and answer.status not in (0, 404):
        with contextlib.suppress(ViewError):
            remove_keys(wire, ("",))
        abort_uploads(wire, ("",))
        _remove_versions(wire)
        answer = wire.request("DELETE")
    gone = answer.ok or answer.code == "NoSuchBucket" or answer.status == 404
    return "" if gone else f"bucket {wire.bucket} (removing it gave {answer.summary})"


def remove_keys(wire: S3Wire, prefixes: tuple[str, ...], *, only: Callable[[str], bool] = lambda key: True) -> int:
    """Remove every object below the prefixes that ``only`` agrees to; return how many were asked to go."""
    view, count = S3View(wire), 0
    for prefix in prefixes:
        keys = [key for key in view.keys(prefix) if only(key)]
        for start in range(0, len(keys), 100):
            batch = keys[start : start + 100]
            answer = wire.delete_objects(batch, quiet=True)
            root = answer.xml()
            if not answer.ok or (root is not None and root.find("Error") is not None):
                for key in batch:
                    wire.delete(key)
            count += len(batch)
        for key in view.keys(prefix) if keys else ():  # what the batch spared, and names that XML mangles
            if only(key):
                wire.delete(key)
    return count


def abort_uploads(wire: S3Wire, prefixes: tuple[str, ...], *, only: Callable[[str], bool] = lambda key: True) -> None:
    """Abort the multipart uploads that were begun below the prefixes; nothing where the server cannot list them."""
    for _ in range(1000):  # pages of a thousand: each is gone before the next is asked for
        answer = wire.request("GET", query=(("encoding-type", "url"), ("uploads", "")))
        root = answer.xml()
        if not answer.ok or root is None:
            return
        decode = unquote_plus if root.findtext("EncodingType") == "url" else str
        aborted = 0
        for upload in root.iterfind("Upload"):
            key, upload_id = decode(upload.findtext("Key") or ""), upload.findtext("UploadId") or ""
            if key.startswith(prefixes) and only(key):
                aborted += wire.request("DELETE", key, query=(("uploadId", upload_id),)).ok
        if root.findtext("IsTruncated") != "true" or not aborted:
            return


def _remove_versions(wire: S3Wire) -> None:
    """Remove older versions and delete markers, where a clause had versioning switched on."""
    for _ in range(1000):
        root = wire.request("GET", query=(("encoding-type", "url"), ("versions", ""))).xml()
        found = [] if root is None else [*root.iterfind("Version"), *root.iterfind("DeleteMarker")]
        decode = unquote_plus if root is not None and root.findtext("EncodingType") == "url" else str
        removed = 0
        for version in found:
            query = (("versionId", version.findtext("VersionId") or ""),)
            removed += wire.request("DELETE", decode(version.findtext("Key") or ""), query=query).ok
        if not removed:
            return
