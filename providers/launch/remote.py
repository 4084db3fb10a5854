"""Backends that run elsewhere: credentials come from the environment only, never from a command line or a file."""

from __future__ import annotations

import contextlib
import os
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bucket_conformance.conformance.target import Addressing, ChecksumMode, S3Endpoint
from bucket_conformance.providers.launch.probe import ask
from bucket_conformance.providers.launch.web_identity import (
    ROLE,
    TOKEN_FILE,
    has_web_identity,
    web_identity_credentials,
)
from bucket_conformance.providers.provider import Availability, LaunchError, LaunchKind, Progress, Running, Unavailable

_TIMEOUT_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Variables:
    """The names of the environment variables that a remote provider reads."""

    access_key: str
    secret_key: str
    session_token: str
    endpoint: str
    region: str
    bucket: str

    @classmethod
    def of(cls, provider_id: str) -> Variables:
        """Return ``CONFORMANCE_<ID>_ACCESS_KEY_ID`` and the like."""
        stem = f"CONFORMANCE_{provider_id.upper().replace('-', '_')}"
        return cls(
            access_key=f"{stem}_ACCESS_KEY_ID",
            secret_key=f"{stem}_SECRET_ACCESS_KEY",
            session_token=f"{stem}_SESSION_TOKEN",
            endpoint=f"{stem}_ENDPOINT",
            region=f"{stem}_REGION",
            bucket=f"{stem}_BUCKET",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteLaunch:
    """A remote endpoint.

    ``endpoint`` and ``region`` are defaults that the variables override; ``endpoint`` may contain ``{region}``.
    Without a bucket variable the session makes and removes its own buckets. ``web_identity``: if the variables give
    no credentials, the role of the process is used (``AWS_ROLE_ARN``, ``AWS_WEB_IDENTITY_TOKEN_FILE``).
    """

    title: str
    variables: Variables
    endpoint: str | None = None
    region: str | None = None
    addressing: Addressing = "path"
    checksums: ChecksumMode = "when_required"
    web_identity: bool = False

    @property
    def kind(self) -> LaunchKind:
        return LaunchKind.REMOTE

    def availability(self) -> Availability:
        names = [] if self._takes_role(os.environ) else [self.variables.access_key, self.variables.secret_key]
        if self.endpoint is None:
            names.insert(0, self.variables.endpoint)
        if self.region is None:
            names.append(self.variables.region)
        missing = [name for name in names if not os.environ.get(name)]
        if missing:
            plural = "s" if len(missing) > 1 else ""
            role = f" (or {ROLE} and {TOKEN_FILE} in place of the keys)" if self.web_identity else ""
            return Availability(
                ready=False,
                missing=f"environment variable{plural} {', '.join(missing)}",
                how=f"set {'them' if plural else 'it'} to what your account there gives for its S3 API{role}; a bucket "
                f"is made and removed, unless {self.variables.bucket} names one to stay in",
            )
        return Availability(ready=True)

    def _takes_role(self, environ: Mapping[str, str]) -> bool:
        keys = environ.get(self.variables.access_key) or environ.get(self.variables.secret_key)
        return self.web_identity and not keys and has_web_identity(environ)

    def over_https(self) -> RemoteLaunch:
        raise LaunchError(f"{self.title}: the scheme of its endpoint decides: {self.endpoint or 'give https://…'}")

    def install(self, progress: Progress) -> None:
        """Nothing to install."""

    @contextlib.contextmanager
    def start(self, progress: Progress) -> Iterator[Running]:
        availability = self.availability()
        if not availability.ready:
            raise Unavailable(f"{self.title}: missing {availability.missing}; {availability.how}")
        yield reach(self.title, self._endpoint(os.environ), progress)

    def _endpoint(self, environ: Mapping[str, str]) -> S3Endpoint:
        region = environ.get(self.variables.region) or self.region or "us-east-1"
        url = environ.get(self.variables.endpoint) or (self.endpoint or "").format(region=region)
        address = checked_url(url, self.variables.endpoint)
        if self._takes_role(environ):
            access_key, secret_key, token = web_identity_credentials(self.title)
        else:
            access_key, secret_key = environ[self.variables.access_key], environ[self.variables.secret_key]
            token = environ.get(self.variables.session_token) or None
        return S3Endpoint(
            url=address,
            access_key=access_key,
            secret_key=secret_key,
            session_token=token,
            region=region,
            addressing=self.addressing,
            checksums=self.checksums,
            bucket=environ.get(self.variables.bucket) or None,
        )


def reach(title: str, endpoint: S3Endpoint, progress: Progress) -> Running:
    """Send a request to the endpoint and describe it; the version is its ``Server`` header. Raises ``LaunchError``."""
    progress(f"{title}: asking {endpoint.url}")
    try:
        response = ask(endpoint, timeout_s=_TIMEOUT_S)
    except OSError as error:
        raise LaunchError(
            f"{title}: {endpoint.url} cannot be reached: {error}; look at the address and the network"
        ) from error
    if response.status >= 500:
        raise LaunchError(
            f"{title}: {endpoint.url} responded with status {response.status}; try again when it is healthy"
        )
    return Running(target=endpoint, version=response.server or "unknown", launch=LaunchKind.REMOTE)


def checked_url(url: str, name: str) -> str:
    """``url`` if it is an http(s) address without login, query or fragment; else ``LaunchError`` naming ``name``."""
    parts = urllib.parse.urlsplit(url)
    if parts.username or parts.password:
        raise LaunchError(f"{name} contains a login; give credentials by the variables for them")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise LaunchError(f"{name} is {url!r}; expected an address such as https://s3.example.com")
    return url.rstrip("/")
