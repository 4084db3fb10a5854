"""What judging costs beside the requests themselves: a run's time over a bare replay of the same requests."""

from __future__ import annotations

import http.client
import itertools
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from benchmarks.backends import session_on
from bucket_conformance.conformance.catalogue import select
from bucket_conformance.conformance.contract import Profile
from bucket_conformance.conformance.effort import EFFORTS, Mode
from bucket_conformance.conformance.engine.judge import judge
from bucket_conformance.conformance.wire.exchange import Exchange, Recorder
from bucket_conformance.conformance.wire.transport import Answer, HttpTransport

SERVERS: Final = ("rclone", "seaweedfs")
"""A small one and a large one; both install within seconds."""


class _KeepingRecorder(Recorder):
    """Keeps the exchanges of the whole run instead of the last example's, and which thread sent each."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[int, Exchange]] = []

    def add(self, exchange: Exchange) -> None:
        self.sent.append((threading.get_ident(), exchange))
        super().add(exchange)

    def clear(self) -> None:
        pass

    def recall(self, exchanges: Sequence[Exchange]) -> None:
        pass  # They were sent once, and are here.


def main() -> None:
    for server in SERVERS:
        _measure(server)


def _measure(server: str) -> None:
    run_s = replay_s = 0.0
    requests = repeated = 0
    with session_on(server) as session:
        keeping = _KeepingRecorder()
        session.transport.recorder = keeping
        once = _time_of_what_goes_once(session.transport, keeping)
        connection = http.client.HTTPConnection(urlsplit(session.wire.endpoint.url).netloc, timeout=10)
        for entry in select(profiles=[Profile.S3]):
            # Races are left out: how long a server lets writers of one key wait for each other is chance (SeaweedFS:
            # none to three whole seconds).
            if any(case.racy for case in entry.cases):
                continue
            keeping.sent.clear()
            started = time.perf_counter()
            judge(entry, session, EFFORTS[Mode.QUICK], seed=1)
            run_s += time.perf_counter() - started
            sent = [(thread, exchange) for thread, exchange in keeping.sent if _can_be_repeated(exchange)]
            # Clause by clause, so that a machine that is slow for a while is slow for both.
            started = time.perf_counter()
            _replay(connection, sent)
            replay_s += time.perf_counter() - started
            requests, repeated = requests + len(keeping.sent), repeated + len(sent)
        connection.close()
    run_s -= sum(once)
    print(
        f"{server}, profile s3, quick: {requests} requests, run {run_s:.2f} s; "
        f"bare replay of {repeated} of them {replay_s:.2f} s; ratio {run_s / replay_s:.2f}"
    )


def _time_of_what_goes_once(transport: HttpTransport, keeping: _KeepingRecorder) -> list[float]:
    """Let the transport note the seconds of each request that cannot be repeated: it counts on neither side."""
    send, noted = transport.send, []

    def timed(*args: Any, **options: Any) -> Answer:
        started = time.perf_counter()
        answer = send(*args, **options)
        took_s = time.perf_counter() - started
        mine = next(exchange for thread, exchange in reversed(keeping.sent) if thread == threading.get_ident())
        if not _can_be_repeated(mine):
            noted.append(took_s)
        return answer

    transport.send = timed  # type: ignore[method-assign]
    return noted


def _can_be_repeated(exchange: Exchange) -> bool:
    """Leave out what hangs up, what announces more than it sends, and what was too large to be kept."""
    headers = {name.lower(): value for name, value in exchange.headers}
    announced = headers.get("content-length", "0")
    return (
        exchange.cut_after is None
        and exchange.status is not None
        and exchange.body is not None
        and announced == str(len(exchange.body))
        and "expect" not in headers
    )


def _replay(connection: http.client.HTTPConnection, sent: list[tuple[int, Exchange]]) -> None:
    """Send the same bytes again; expired or repeated signatures do not matter here.

    What one thread sent goes over one kept-alive connection; what several sent at once is sent at once.
    """
    host, alone = f"{connection.host}:{connection.port}", threading.get_ident()
    for at_once, group in itertools.groupby(sent, key=lambda pair: pair[0] != alone):
        if not at_once:
            _send(connection, (exchange for _, exchange in group))
            continue
        by_thread: dict[int, list[Exchange]] = defaultdict(list)
        for thread, exchange in group:
            by_thread[thread].append(exchange)
        threads = [threading.Thread(target=_send_anew, args=(host, each)) for each in by_thread.values()]
        for sender in threads:
            sender.start()
        for sender in threads:
            sender.join()


def _send_anew(host: str, exchanges: Iterable[Exchange]) -> None:
    connection = http.client.HTTPConnection(host, timeout=10)
    _send(connection, exchanges)
    connection.close()


def _send(connection: http.client.HTTPConnection, exchanges: Iterable[Exchange]) -> None:
    for exchange in exchanges:
        try:
            connection.putrequest(exchange.method, exchange.target, skip_host=True, skip_accept_encoding=True)
            for name, value in exchange.headers:
                connection.putheader(name, value.encode("utf-8"))
            connection.endheaders(exchange.body or None)
            connection.getresponse().read()
        except (http.client.HTTPException, OSError):
            connection.close()
