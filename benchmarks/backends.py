"""The backends that are measured: those that need no account and no container engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from conformance.opening import open_session
from conformance.session import Session
from providers import discover


@contextmanager
def session_on(provider_id: str) -> Iterator[Session]:
    """Start a provider and open a session on it."""
    provider = discover()[provider_id]
    with (
        provider.choose().start(lambda _: None) as running,
        open_session(running.target, capabilities=provider.capabilities) as session,
    ):
        yield session
