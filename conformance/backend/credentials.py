"""The backend under test, opened with credentials other than its own. Implements ``session.AlternateCredentials``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from bucket_conformance.reference_impl.api import Storage

if TYPE_CHECKING:
    from bucket_conformance.conformance.wire.botocore_internals import RefreshableCredentials

WRONG_SECRET: Final = "not-the-secret-of-this-backend-at-all"


@dataclass(slots=True, kw_only=True)
class S3AlternateCredentials:
    """An S3 endpoint. ``open_with`` makes a storage with a secret, and passes its client to a function before use."""

    open_with: Callable[[str, Callable[[Any], None]], Storage]
    access_key: str
    secret_key: str
    session_token: str | None = None
    _clients: list[Any] = field(default_factory=list)
    _lent: Storage | None = None

    def __repr__(self) -> str:
        return "S3Hands(…)"

    def with_wrong_secret(self) -> Storage:
        return self.with_secret(WRONG_SECRET)

    def with_secret(self, secret: str) -> Storage:
        return self.open_with(secret, lambda client: None)

    def with_expiring_credentials(self, ends_in_s: float) -> Storage:
        # One client serves for all: making it costs more than a hundred signatures.
        self._lent = self._lent or self.open_with(self.secret_key, self._clients.append)
        for client in self._clients:
            # A client takes its credentials from the SDK's chain, and only those that a role brings know their end.
            client._request_signer._credentials = self._ending(ends_in_s)
        return self._lent

    def _ending(self, ends_in_s: float) -> RefreshableCredentials:
        from bucket_conformance.conformance.wire.botocore_internals import RefreshableCredentials

        end = datetime.now(UTC) + timedelta(seconds=ends_in_s)
        known = {
            "access_key": self.access_key,
            "secret_key": self.secret_key,
            "token": self.session_token,
            "expiry_time": end.isoformat(),
        }
        # No renewal before the end: what is judged is what becomes of URLs that these very credentials sign.
        token: Any = self.session_token  # none is fine with botocore, but not with its type stubs
        return RefreshableCredentials(
            self.access_key,
            self.secret_key,
            token,
            end,
            lambda: known,
            "conformance",
            advisory_timeout=0,
            mandatory_timeout=0,
        )


@dataclass(frozen=True, slots=True)
class DiskAlternateCredentials:
    """A local directory. ``open_with`` makes a storage that signs with the given secret."""

    open_with: Callable[[bytes], Storage]

    def with_wrong_secret(self) -> Storage:
        return self.with_secret(WRONG_SECRET)

    def with_secret(self, secret: str) -> Storage:
        return self.open_with(secret.encode())

    def with_expiring_credentials(self, ends_in_s: float) -> Storage:
        raise LookupError("local disk has no credentials that could end")
