"""A client for the tests of the exemplary server: raw requests over http.client, signed by botocore, never by us."""

from __future__ import annotations

import http.client
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import boto3
import time_machine
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The error code of the body, or ``""``."""
        found = re.search(rb"<Code>(\w+)</Code>", self.body)
        return found[1].decode() if found and self.status >= 300 else ""


def boto_client(url: str, *, checksums: Any = "when_required", access_key: str = "exemplar") -> Any:
    return boto3.client(
        "s3",
        endpoint_url=url,
        aws_access_key_id=access_key,
        aws_secret_access_key="exemplar-secret",
        region_name="us-east-1",
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            request_checksum_calculation=checksums,
            response_checksum_validation=checksums,
            retries={"total_max_attempts": 1},
        ),
    )


class RawClient:
    """One connection to ``url``. Paths are sent as given, byte for byte."""

    def __init__(self, url: str, *, access_key: str = "exemplar", secret_key: str = "exemplar-secret") -> None:
        self.host = urlsplit(url).netloc
        self.url = url
        self.credentials = Credentials(access_key, secret_key)
        self.connection = http.client.HTTPConnection(self.host, timeout=10)

    def send(self, method: str, target: str, body: bytes = b"", /, **headers: str) -> Answer:
        """Send without any signature; underscores in header names stand for hyphens."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = body if body or method in ("PUT", "POST") else None
        self.connection.request(method, target, body=sent, headers=named)
        answer = self.connection.getresponse()
        lower = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, lower, answer.read())

    def signed(self, method: str, target: str, body: bytes = b"", age_s: int = 0, /, **headers: str) -> Answer:
        """Send signed by header, as if signed ``age_s`` seconds ago."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = AWSRequest(method=method, url=self.url + target, data=body, headers=named)
        with time_machine.travel(datetime.now(UTC) - timedelta(seconds=age_s)):
            S3SigV4Auth(self.credentials, "s3", "us-east-1").add_auth(request)
        return self.send(method, target, body, **dict(request.headers.items()))

    def presigned(self, method: str, target: str, *, expires: Any = 60, age_s: int = 0, **headers: str) -> str:
        """Return the signed target, as if signed ``age_s`` seconds ago."""
        request = AWSRequest(method=method, url=self.url + target, headers=headers)
        with time_machine.travel(datetime.now(UTC) - timedelta(seconds=age_s)):
            S3SigV4QueryAuth(self.credentials, "s3", "us-east-1", expires=expires).add_auth(request)
        return str(request.url).removeprefix(self.url)

    def close(self) -> None:
        self.connection.close()


def path(bucket: str, key: str) -> str:
    return f"/{bucket}/{quote(key, safe='/-._~')}"
