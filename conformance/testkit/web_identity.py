"""A pod with a web identity, as on EKS: the environment of its process, and the service that issues credentials.

https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html
"""

from __future__ import annotations

import os
import secrets
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs

TEMPORARY_KEY: Final = "ASIACONFORMANCELENT1"
TEMPORARY_TOKEN: Final = "lent-by-the-identity-service//=="
ROLE: Final = "arn:aws:iam::123456789012:role/activepieces-role"


@dataclass(slots=True, kw_only=True)
class IdentityService:
    """What a request must contain (role, token of the pod), and what requests contained, in order."""

    expected: tuple[str, str]
    asked: list[tuple[str, str]] = field(default_factory=list)


@contextmanager
def identity_service() -> Iterator[IdentityService]:
    """Simulate such a pod inside the block: no credentials, a token in a file, and our service on the loopback address.

    Yields the service.
    """
    token = f"pod-{secrets.token_hex(8)}"
    service = IdentityService(expected=(ROLE, token))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers.get("Content-Length", 0))).decode())
            service.asked.append((form.get("RoleArn", [""])[0], form.get("WebIdentityToken", [""])[0]))
            response = _lent().encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(response)))
            self.end_headers()
            self.wfile.write(response)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            token_file = Path(folder, "token")
            token_file.write_text(token, encoding="ascii")
            with _environment(_pod(server.server_port, token_file), without=_OTHER_SOURCES):
                yield service
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def _environment(extra: Mapping[str, str], *, without: Iterable[str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(extra)
    for name in without:
        os.environ.pop(name, None)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


_OTHER_SOURCES: Final = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
)


def _pod(port: int, token_file: Path) -> dict[str, str]:
    nowhere = str(token_file.with_name("no-such-file"))
    return {
        "AWS_ROLE_ARN": ROLE,
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(token_file),
        "AWS_ENDPOINT_URL_STS": f"http://127.0.0.1:{port}",
        "AWS_SHARED_CREDENTIALS_FILE": nowhere,
        "AWS_CONFIG_FILE": nowhere,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "127.0.0.1",
    }


def _lent() -> str:
    ends = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    return (
        '<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">'
        "<AssumeRoleWithWebIdentityResult>"
        f"<AssumedRoleUser><Arn>{ROLE}</Arn><AssumedRoleId>AROACONFORMANCE:pod</AssumedRoleId></AssumedRoleUser>"
        f"<Credentials><AccessKeyId>{TEMPORARY_KEY}</AccessKeyId><SecretAccessKey>lent-secret</SecretAccessKey>"
        f"<SessionToken>{TEMPORARY_TOKEN}</SessionToken><Expiration>{ends}</Expiration></Credentials>"
        "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
    )
