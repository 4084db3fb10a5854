"""The health probe: one real, signed request, and how the server names itself in the response."""

from __future__ import annotations

import http.client
import ssl
import urllib.parse
from dataclasses import dataclass

from bucket_conformance.conformance.target import S3Endpoint


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResponse:
    """An HTTP response: its status and its ``Server`` header (empty where there is none)."""

    status: int
    server: str


def ask(endpoint: S3Endpoint, *, timeout_s: float = 2.0) -> ProbeResponse:
    """List the buckets of ``endpoint``, or check its one bucket, by a signed request.

    Raises ``OSError`` where nothing answers, or not by HTTP.
    """
    from bucket_conformance.conformance.wire.botocore_internals import AWSRequest, Credentials, S3SigV4Auth

    base = endpoint.url.rstrip("/")
    path = "/"
    if endpoint.bucket and endpoint.addressing == "virtual":
        base = base.replace("://", f"://{endpoint.bucket}.", 1)
    elif endpoint.bucket:
        path = f"/{endpoint.bucket}"
    method = "HEAD" if endpoint.bucket else "GET"
    request = AWSRequest(method=method, url=base + path)
    S3SigV4Auth(
        Credentials(endpoint.access_key, endpoint.secret_key, endpoint.session_token), "s3", endpoint.region
    ).add_auth(request)
    parts = urllib.parse.urlsplit(base)
    host = parts.hostname or ""
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=str(endpoint.ca_file) if endpoint.ca_file else None)
        connection = http.client.HTTPSConnection(host, parts.port, timeout=timeout_s, context=context)
    else:
        connection = http.client.HTTPConnection(host, parts.port, timeout=timeout_s)
    try:
        connection.request(method, (parts.path + path) or "/", headers=dict(request.headers.items()))
        response = connection.getresponse()
        response.read()
        return ProbeResponse(status=response.status, server=response.getheader("Server") or "")
    except http.client.HTTPException as error:
        raise OSError(f"no HTTP answer from {endpoint.url}: {error!r}") from error
    finally:
        connection.close()
