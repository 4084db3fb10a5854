"""The oracle: what a storage must hold after a sequence of operations, as a plain mapping. Never the reference."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Model:
    """The keys and bytes that a storage must hold."""

    objects: dict[str, bytes] = field(default_factory=dict)

    def put(self, key: str, body: bytes) -> None:
        """Set the bytes of a key."""
        self.objects[key] = body

    def get(self, key: str) -> bytes | None:
        """Return the bytes, or ``None`` where the key must be absent."""
        return self.objects.get(key)

    def delete(self, keys: Iterable[str]) -> None:
        """Remove these keys; missing ones are ignored."""
        for key in keys:
            self.objects.pop(key, None)

    def list(self, prefix: str) -> list[str]:
        """Return the keys that start with ``prefix``, in UTF-8 byte order."""
        return sorted((key for key in self.objects if key.startswith(prefix)), key=utf8_order)


def utf8_order(key: str) -> bytes:
    """Return the sort key for the order of listings. UTF-16 order, which some servers use, differs beyond the BMP."""
    return key.encode("utf-8")
