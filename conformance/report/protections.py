"""How an operator protects an application from a deviation: by clause where there is more to say than by harm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bucket_conformance.conformance.contract import Harm
from bucket_conformance.conformance.report.document import Result

BY_CLAUSE: Final[Mapping[str, str]] = {
    "KEY-008": "Do not let tenants share a bucket on this backend: one bucket and one key pair each.",
    "KEY-010": "Build keys only from letters, digits, `-`, `_`, `.` and single `/` between names that are not empty, "
    "as the key layout of this storage does. Refuse every other key before it is sent.",
    "KEY-013": "Never store a key that is the beginning of another one.",
    "KEY-015": "Never store both a key and one that lies below it (`a` and `a/b`).",
    "DEL-001": "Delete key by key, and list afterwards what is left.",
    "DEL-006": "Delete only keys that the application built itself, without spaces at their ends and without a slash "
    "at the start.",
    "DEL-007": "Delete keys with characters that XML treats specially one by one, not in a batch.",
    "DEL-012": "Do not count on the server to notice a damaged delete request: use TLS, and send deletes from the "
    "application straight to the server, without a proxy that rewrites bodies.",
    "DEL-019": "Delete only keys that the application built itself, without spaces at their ends and without a slash "
    "at the start. Delete keys with other characters one by one.",
    "RT-002": "Let nobody read a key while it is written: upload to a new key, and tell readers of it once the upload "
    "was answered.",
    "RT-005": "After each upload compare the size that HEAD reports with the size that was sent. Upload to a new key "
    "and switch over, rather than replacing an object in place.",
    "RT-008": "Do not count on Content-MD5: after an upload compare the ETag or the bytes with what was sent. Upload "
    "to a new key rather than replacing an object in place.",
    "RT-018": "Do not count on the server to compare checksums: store one of your own with the object and check it "
    "when reading.",
    "RT-019": "Use TLS: over plain HTTP a body can be changed on its way although the request is signed.",
    "RT-020": "Do not send requests for sub-resources (?tagging, ?acl and so on) to this backend; deny them by policy "
    "or at a proxy.",
    "CON-002": "Let only one writer write a key at a time, with a lock in the application.",
    "CON-003": "Do not build locks or counters on If-None-Match: keep them in a database.",
    "CON-004": "Do not build locks or counters on If-Match: keep them in a database.",
    "CON-005": "Let nobody read a key while it is written: upload to a new key, and tell readers of it once the upload "
    "was answered.",
    "CON-007": "Do not build locks or counters on If-Match: keep them in a database.",
    "CON-011": "Do not build locks or counters on conditional writes: keep them in a database.",
    "DUR-001": "Keep what must not be lost elsewhere too until it was read back.",
    "DUR-002": "Keep what must not be lost elsewhere too; this backend is no place for the only copy.",
    "SEC-001": "Serve only keys that the layout has parsed, and let nothing else write into the storage's directory.",
    "URL-003": "Do not hand out signed URLs of this backend: they do not expire. Serve files through the application.",
    "URL-017": "Let only the application reach this backend: anyone who reaches it needs no key.",
    "URL-022": "Let only the application reach this backend: anyone who reaches it can write.",
}
"""By clause; keep to what an operator can do without a change of the backend."""

BY_HARM: Final[Mapping[Harm, str]] = {
    Harm.LOSES_DATA: "Keep a copy of what must not be lost on another backend until this is fixed.",
    Harm.STORES_WRONG_DATA: "Compare what was stored with what was sent, by a checksum of your own.",
    Harm.SERVES_WRONG_DATA: "Compare what was downloaded with a checksum of your own; where they differ, read again.",
    Harm.CROSSES_TENANTS: "Give each tenant a bucket and a key pair of its own.",
    Harm.LEAKS: "Do not share logs and reports of this backend, and replace the credentials that leaked.",
    Harm.BYPASSES_AUTHENTICATION: "Do not hand out signed URLs of this backend, and let nobody but the application "
    "reach it: no public address, no shared network.",
    Harm.BREAKS_OUT: "Run this backend as a separate user without other rights, and pass it only keys that "
    "the application built itself.",
}


def protection_of(result: Result, harm: Harm | None) -> str:
    """Return how to protect an application: by the expectation, else by clause, else by harm; ``""`` without harm."""
    by_hand = result.expectation.protection if result.expectation is not None else ""
    if by_hand or harm is None:
        return by_hand
    return BY_CLAUSE.get(result.clause, BY_HARM[harm])
