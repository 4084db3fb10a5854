"""Shortens recorded requests and responses for people: without run ids, routine headers and long bodies."""

from __future__ import annotations

import re

_RUN = r"conformance-[0-9a-f]{6,10}-[0-9a-f]{6}"


def anonymise(text: str) -> str:
    """Return a text with the names that its run gave to buckets, owners and prefixes made short."""
    text = re.sub(rf"{_RUN}/[0-9a-f]+/", "", text)
    text = re.sub(rf"{_RUN}-([0-9a-f]+)", r"name-\1", text)
    return re.sub(_RUN, "bucket", text)


def abridge(transcript: str, *, most_lines: int = 60, longest: int = 160) -> str:
    """Return a transcript without what every request has, its run's names made short, and long bodies cut.

    Signatures, dates and ids of requests tell nothing about the deviation; who repeats it makes them anew.
    """
    lines = [line for line in transcript.split("\n") if not _ROUTINE.match(line)]
    lines = anonymise("\n".join(lines)).strip("\n").split("\n")
    shown = [line if len(line) <= longest else f"{line[:longest]}…" for line in lines]
    if len(shown) > most_lines:
        shown = [*shown[:most_lines], f"… {len(shown) - most_lines} more lines are in the report"]
    return "\n".join(shown)


_ROUTINE = re.compile(
    r"[<>] (host|authorization|x-amz-date|x-amz-content-sha256|x-amz-request-id|x-amzn-requestid|x-amz-id-2|date|server"
    r"|connection|keep-alive|accept-ranges|vary|strict-transport-security|x-xss-protection|x-content-type-options"
    r"|access-control-[a-z-]+|last-modified|user-agent|x-powered-by|x-trans-id|x-openstack-request-id|x-localstack"
    r"|x-ratelimit-[a-z]+|content-security-policy|cache-control|origin-agent-cluster):",
    re.IGNORECASE,
)
