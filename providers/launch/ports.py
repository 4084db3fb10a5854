"""Free TCP ports on the loopback, reserved for one run at a time."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import random
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bucket_conformance.providers.provider import LaunchError

LOOPBACK: Final = "127.0.0.1"
_FIRST: Final = 20_000
_LAST: Final = 32_000
"""Below the ports of outgoing connections on Linux (32768) and macOS (49152), which could take a reserved one."""
_TRIES: Final = 2_000

_guard = threading.Lock()
_held: set[int] = set()
_lock_fd: int | None = None


@contextlib.contextmanager
def reserved_ports(count: int) -> Iterator[tuple[int, ...]]:
    """Return ``count`` different ports that nothing listens on and that no other run of the suite has reserved.

    Another process may still take one between this check and the server's bind: callers retry with other ports.
    """
    ports: list[int] = []
    try:
        with _guard:
            for port in random.SystemRandom().sample(range(_FIRST, _LAST), _TRIES):
                if len(ports) == count:
                    break
                if port not in _held and _lock(port):
                    if _is_free(port):
                        _held.add(port)
                        ports.append(port)
                    else:
                        _unlock(port)
        if len(ports) < count:
            raise LaunchError(f"no {count} free ports between {_FIRST} and {_LAST} on {LOOPBACK}: stop some servers")
        yield tuple(ports)
    finally:
        with _guard:
            for port in ports:
                _held.discard(port)
                _unlock(port)


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
    return True


def _lock(port: int) -> bool:
    """Lock one byte of a shared file for each port; the kernel releases the lock when this process ends."""
    global _lock_fd
    if _lock_fd is None:
        # Not in the state folder, which can be moved: ports are shared by all runs of the machine's user.
        path = Path(tempfile.gettempdir()) / f"conformance-ports-{os.getuid()}.lock"
        _lock_fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.lockf(_lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except OSError:
        return False
    return True


def _unlock(port: int) -> None:
    if _lock_fd is not None:
        fcntl.lockf(_lock_fd, fcntl.LOCK_UN, 1, port)
