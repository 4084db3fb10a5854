"""By how much the memory of a process grows while it uploads and downloads one GiB as a stream."""

from __future__ import annotations

import io
import resource
import subprocess
import sys
import time

from benchmarks.backends import session_on

GIB = 1024**3


class Source(io.RawIOBase):
    """A stream of one GiB that is never in memory as a whole, and that cannot seek."""

    def __init__(self, size: int) -> None:
        self._left = size
        self._block = bytes(range(256)) * 256

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        count = min(len(buffer), self._left, len(self._block))
        buffer[:count] = self._block[:count]
        self._left -= count
        return count


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(provider: str) -> None:
    """Print the memory growth of this process. Run it in a new process, because a peak never decreases."""
    with session_on(provider) as session:
        key = session.fresh_key()
        session.storage.upload(key, b"warm")
        session.storage.download(key)
        before = _peak_mib()
        started = time.perf_counter()
        session.storage.upload(key, io.BufferedReader(Source(GIB)))
        up, up_s = _peak_mib(), time.perf_counter() - started
        session.recorder.clear()
        started = time.perf_counter()
        size = 0
        with session.storage.open(key) as stream:
            while piece := stream.read(1 << 20):
                size += len(piece)
        down, down_s = _peak_mib(), time.perf_counter() - started
        print(
            f"{provider:12} 1 GiB up: +{up - before:5.1f} MiB in {up_s:5.1f} s   "
            f"down: +{down - before:5.1f} MiB in {down_s:5.1f} s   ({size} bytes came back)",
            flush=True,
        )


def main() -> None:
    for provider in ("local_disk", "seaweedfs"):
        subprocess.run([sys.executable, "-m", "benchmarks.memory", provider], check=True)


if __name__ == "__main__":
    measure(sys.argv[1])
