"""Known deviations of the built-in providers, one TOML file each: ``<provider id>.toml``."""

from __future__ import annotations

from pathlib import Path


def path_of(provider_id: str) -> Path | None:
    """Return the file of a provider's expectations, or ``None`` where it has none."""
    path = Path(__file__).parent / f"{provider_id}.toml"
    return path if path.exists() else None
