"""Known deviations of the built-in providers, one TOML file each (``<provider id>.toml``); others bring their own."""

from __future__ import annotations

from pathlib import Path

from bucket_conformance.providers.provider import Provider


def path_of(provider_id: str) -> Path | None:
    """Return the file of a provider's expectations, or ``None`` where it has none."""
    path = Path(__file__).parent / f"{provider_id}.toml"
    return path if path.exists() else None


def of(provider: Provider) -> Path | None:
    """Return the file of a provider's expectations: its own, or else the one in this directory, or ``None``."""
    return provider.expectations or path_of(provider.id)
