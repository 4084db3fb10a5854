"""The cost of judging in addition to the requests: the time of a run divided by that of a replay of its requests."""

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
from bucket_conformance.conformance.wire.transport import HttpResponse, HttpTransport

SERVERS: Final = ("rclone", "seaweedfs")
"""A small server and a large one; both install within seconds."""


class _KeepingRecorder(Recorder):
    """Keeps the exchanges of the whole run, not only those of the last example, and the thread that sent each one."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[int, Exchange]] = []

    def add(self, exchange: Exchange) -> None:
        self.sent.append((threading.get_ident(), exchange))
        super().add(exchange)

    def clear(self) -> None:
        pass

    def recall(self, exchanges: Sequence[Exchange]) -> None:
        pass  # These requests were sent once and are already recorded.


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
            # Races are left out: how long a server makes writers of one key wait for each other is chance (SeaweedFS:
            # from 0 to 3 s).
            if any(case.racy for case in entry.cases):
                continue
            keeping.sent.clear()
            started = time.perf_counter()
            judge(entry, session, EFFORTS[Mode.QUICK], seed=1)
            run_s += time.perf_counter() - started
            sent = [(thread, exchange) for thread, exchange in keeping.sent if _can_be_repeated(exchange)]
            # Clause by clause, so that a machine that is slow for a while affects both sides.
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
    """Make the transport record the seconds of each request that cannot be repeated; these count on neither side."""
    send, noted = transport.send, []

    def timed(*args: Any, **options: Any) -> HttpResponse:
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
    """Return whether a request can be repeated: no if it hangs up, announces more than it sends, or is incomplete."""
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

    Requests of one thread use one persistent connection; requests that were sent in parallel are sent in parallel.
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
