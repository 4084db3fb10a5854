"""What judging costs beside the requests themselves: a run's time over a bare replay of the same requests."""

from __future__ import annotations

import http.client
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from benchmarks.backends import session_on
from conformance.catalogue import select
from conformance.contract import Profile
from conformance.judge import EFFORTS, Mode, judge
from conformance.wire import Exchange, Recorder


class _KeepingRecorder(Recorder):
    """Keeps the exchanges of the whole run instead of the last example's."""

    def clear(self) -> None:
        pass

    def recall(self, exchanges: Sequence[Exchange]) -> None:
        pass  # They were sent once, and are here.


def main() -> None:
    with session_on("seaweedfs") as session:
        keeping = _KeepingRecorder()
        session.transport.recorder = keeping
        started = time.perf_counter()
        for entry in select(profiles=[Profile.S3]):
            judge(entry, session, EFFORTS[Mode.QUICK], seed=1)
        run_s = time.perf_counter() - started
        sent = [exchange for exchange in keeping.kept() if _can_be_repeated(exchange)]
        started = time.perf_counter()
        _replay(session.wire.endpoint.url, sent)
        replay_s = time.perf_counter() - started
    print(
        f"seaweedfs, profile s3, quick: {len(sent)} requests, run {run_s:.2f} s, bare replay {replay_s:.2f} s, "
        f"ratio {run_s / replay_s:.2f}"
    )


def _can_be_repeated(exchange: Exchange) -> bool:
    """Leave out what hangs up, what announces more than it sends, and what was too large to be kept."""
    headers = {name.lower(): value for name, value in exchange.headers}
    announced = headers.get("content-length", "0")
    return (
        exchange.origin == "wire"
        and exchange.cut_after is None
        and exchange.status is not None
        and exchange.body is not None
        and announced == str(len(exchange.body))
        and "expect" not in headers
    )


def _replay(url: str, exchanges: list[Exchange]) -> None:
    """Send the same bytes over one kept-alive connection; expired or repeated signatures do not matter here."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    for exchange in exchanges:
        try:
            connection.putrequest(exchange.method, exchange.target, skip_host=True, skip_accept_encoding=True)
            for name, value in exchange.headers:
                connection.putheader(name, value.encode("utf-8"))
            connection.endheaders(exchange.body or None)
            connection.getresponse().read()
        except (http.client.HTTPException, OSError):
            connection.close()
    connection.close()
