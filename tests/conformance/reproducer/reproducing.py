"""Writes recordings as reproducers and runs them as a stranger does: a file, an isolated interpreter, a server."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bucket_conformance.conformance.backend.opening import open_session
from bucket_conformance.conformance.reproducer.script import reproducer
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.target import S3Endpoint
from bucket_conformance.conformance.verdict import Observation
from bucket_conformance.conformance.wire.exchange import Exchange, Recorder, Redactor
from bucket_conformance.conformance.wire.s3 import S3Wire
from bucket_conformance.conformance.wire.transport import HttpTransport

ACCESS, SECRET = "AKIAREPRODUCERTEST01", "reproducer/test+secret/0123456789abcdef"
BUCKET = "trials-of-reproducers"


@contextmanager
def wire_to(url: str) -> Iterator[S3Wire]:
    transport = HttpTransport(Recorder())
    try:
        yield S3Wire(endpoint(url), BUCKET, transport)
    finally:
        transport.close()


def endpoint(url: str) -> S3Endpoint:
    return S3Endpoint(url=url, access_key=ACCESS, secret_key=SECRET, bucket=BUCKET)


@contextmanager
def session_on(url: str) -> Iterator[Session]:
    with open_session(endpoint(url)) as session:
        yield session


def script_of(session: Session, **changes: Any) -> str:
    text = written(session.recorder.kept(), **changes)
    assert text is not None
    return text


def written(exchanges: list[Exchange], **changes: Any) -> str | None:
    given: dict[str, Any] = {
        "clause_id": "URL-003",
        "statement": "A signed URL is dead after its end.",
        "observation": Observation("403", "200 and the content"),
        "example": "expires=60",
        "endpoint_path": "",
        "bucket": BUCKET,
        "addressing": "path",
        "redactor": Redactor((ACCESS, SECRET)),
    }
    return reproducer(exchanges, **(given | changes))


def environment(url: str, **more: str) -> dict[str, str]:
    keys = {"AWS_ACCESS_KEY_ID": ACCESS, "AWS_SECRET_ACCESS_KEY": SECRET}
    return {"S3_ENDPOINT": url, "S3_BUCKET": BUCKET, **keys, **more}


def run(folder: Path, script: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    assert ACCESS not in script
    assert SECRET not in script
    path = folder / "reproducer.py"
    path.write_text(script, encoding="utf-8")
    command = [sys.executable, "-I", "-S", "-W", "error", str(path)]
    return subprocess.run(command, env=env, capture_output=True, text=True, encoding="utf-8", timeout=60)
