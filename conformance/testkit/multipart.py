"""A multipart upload that is started for one example and aborted after it."""

from __future__ import annotations

from collections.abc import Sequence

from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.verdict import Deviation
from bucket_conformance.conformance.wire.s3 import XML_NAMESPACE
from bucket_conformance.conformance.wire.stored_bytes import Stored, stored_in
from bucket_conformance.conformance.wire.transport import HttpResponse


class Upload:
    """One multipart upload, under a fresh key unless one is given. The end of its ``with`` block aborts it.

    Raises ``Deviation`` where the server does not start it.
    """

    def __init__(self, session: Session, key: str | None = None) -> None:
        self.key = key or session.fresh_key()
        self._wire = session.wire
        begun = self._wire.request("POST", self.key, query=(("uploads", ""),))
        root = begun.xml()
        self.id = (root.findtext("UploadId") if root is not None else None) or ""
        if not begun.ok or not self.id:
            raise Deviation(promised="an upload in parts can be begun", observed=begun.summary)
        self.etags: dict[int, str] = {}

    def __enter__(self) -> Upload:
        return self

    def __exit__(self, *_: object) -> None:
        self.abort()

    def part(self, number: int, body: bytes) -> HttpResponse:
        """Upload one part and return the response; keeps the ETag of the part."""
        query = (("partNumber", str(number)), ("uploadId", self.id))
        response = self._wire.request("PUT", self.key, query=query, body=body)
        if response.ok:
            self.etags[number] = response.header("etag") or ""
        return response

    def complete(self, parts: Sequence[tuple[int, str]] | None = None) -> HttpResponse:
        """Complete the upload with these part numbers and ETags, unchanged (default: all parts, by number)."""
        named = sorted(self.etags.items()) if parts is None else parts
        rows = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag></Part>" for n, etag in named)
        root = "CompleteMultipartUpload"
        body = f'<{root} xmlns="{XML_NAMESPACE}">{rows}</{root}>'.encode()
        return self._wire.request("POST", self.key, query=(("uploadId", self.id),), body=body)

    def abort(self) -> HttpResponse:
        """Abort the upload and return the response."""
        return self._wire.request("DELETE", self.key, query=(("uploadId", self.id),))

    def stored(self) -> Stored:
        """Return the bytes under the key, ``None`` where there are none, or a text where the response does not say."""
        return stored_in(self._wire.get(self.key))


def completed(response: HttpResponse) -> bool:
    """Return whether a completion succeeded. A failure may also come in the body of a 200."""
    return response.ok and not response.code
