"""A dead server, whatever it responds, is one error: no deviation, no harm. A server that lost data is not dead."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from unittest import mock

import pytest
from botocore.exceptions import BotoCoreError
from botocore.httpsession import URLLib3Session

from bucket_conformance.conformance.backend import sdk_connections, sdk_hook
from bucket_conformance.conformance.backend.opening import open_session
from bucket_conformance.conformance.backend.run_ids import new_run_id
from bucket_conformance.conformance.catalogue import Case, Entry, entries
from bucket_conformance.conformance.contract import Capability, Clause, Harm, Level, Profile
from bucket_conformance.conformance.effort import EFFORTS, Mode
from bucket_conformance.conformance.engine.run import Plan, judge_unless_dead, run
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.target import DiskRoot, S3Endpoint, StorageFactory
from bucket_conformance.conformance.verdict import Deviation, Verdict
from bucket_conformance.conformance.wire import transport as http_transport
from bucket_conformance.conformance.wire.exchange import Exchange, Recorder
from bucket_conformance.conformance.wire.stored_bytes import is_lost, stored_in, tells
from bucket_conformance.conformance.wire.transport import HttpResponse
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from bucket_conformance.reference_impl.local import LocalStorage
from bucket_conformance.reference_impl.s3_client import make_client
from tests.exemplar.http import HttpFront
from tests.exemplar.server import Exemplar
from tests.exemplar.types import Request, Response

KEY, SECRET = "AKexemplar", "exemplar-secret"
QUICK = EFFORTS[Mode.QUICK]


def refused(status: int, code: str) -> Callable[[], Response]:
    return lambda: Response(status=status, body=f"<Error><Code>{code}</Code></Error>".encode())


AWAY: Final = 40
"""So many requests a server that is started again refuses."""

PAGE: Final = b"<html><body>It works!</body></html>"
DEATHS: Final[dict[str, Callable[[], Response]]] = {
    "200": lambda: Response(status=200),
    "200 with a page": lambda: Response(status=200, headers=(("Content-Type", "text/html"),), body=PAGE),
    "204": lambda: Response(status=204),
    "403": refused(403, "AccessDenied"),
    "404": refused(404, "NoSuchKey"),
    "500": refused(500, "InternalError"),
    "503": refused(503, "SlowDown"),
    "503 with a page": lambda: Response(status=503, body=PAGE),
    "hang up": lambda: Response(status=0, hang_up=True),
}
"""The responses of a dead server, or of a proxy in front of it, to every request."""

JUDGED: Final = (
    "KEY-008",
    "KEY-010",
    "KEY-013",
    "RT-001",
    "RT-002",
    "RT-005",
    "RT-019",
    "RT-020",
    "LIST-001",
    "DEL-001",
    "DEL-006",
    "DEL-012",
    "DEL-020",
    "URL-003",
    "URL-009",
    "URL-010",
    "URL-017",
    "URL-022",
    "URL-023",
    "CON-003",
    "CON-007",
    "SEC-001",
)


class Dying:
    """The exemplary server, until ``after`` requests are answered (``None``: forever); then ``dead`` answers."""

    def __init__(self, dead: Callable[[], Response], after: int | None = None) -> None:
        self.good = Exemplar(KEY, SECRET)
        self.dead = dead
        self.after = after
        self.answered = 0
        self._lock = threading.Lock()

    def handle(self, request: Request) -> Response:
        with self._lock:
            self.answered += 1
            lives = self.after is None or self.answered <= self.after
        return self.good.handle(request) if lives else self.dead()


@contextmanager
def serving(server: Dying) -> Iterator[S3Endpoint]:
    with (
        HttpFront(lambda request: server.handle(request)) as front,
        mock.patch("bucket_conformance.conformance.backend.liveness.REVIVAL_S", 0.2),
        mock.patch("time.sleep"),  # the pauses of the SDK, and ours
    ):
        yield S3Endpoint(url=front.url, access_key=KEY, secret_key=SECRET)


def judged(target: S3Endpoint, *ids: str) -> list[Any]:
    lines: list[Any] = []
    plan = Plan(entries=[entries()[id] for id in ids], effort=QUICK, seed=1)
    everything = frozenset(Capability) - {Capability.RESTART}
    run(target, plan, lines.append, provider="p", capabilities=everything, run_id=new_run_id())
    return lines


def require_an_error_once(lines: list[Any], conforming: int) -> None:
    """Assert that earlier clauses conform and that all remaining ones have the same error."""
    *results, footer = lines
    verdicts = [result.verdict for result in results]
    assert set(verdicts) <= {Verdict.CONFORMS, Verdict.UNSUPPORTED, Verdict.ERROR}, verdicts
    assert Verdict.ERROR not in verdicts[:conforming]
    first = verdicts.index(Verdict.ERROR)
    assert set(verdicts[first:]) == {Verdict.ERROR}
    assert len({result.reason for result in results[first:]}) == 1
    assert f"during {results[first].clause}: reading an object that was written at the start gave" in (
        results[first].reason
    )
    assert not any(result.observation for result in results)
    assert footer.complete is True
    assert footer.left_behind


@pytest.mark.parametrize("after", [20, 150, 700])
@pytest.mark.parametrize("how", DEATHS)
def test_a_server_that_answers_everything_alike_is_dead_and_breaks_no_promise(how: str, after: int) -> None:
    server = Dying(DEATHS[how], after)
    with serving(server) as target:
        lines = judged(target, *JUDGED)
    require_an_error_once(lines, conforming=0)
    # At most two clauses run to their end: one that accepts these responses, and one that does not.
    assert server.answered < after + 2000


@pytest.mark.parametrize("how", ["403", "404", "200"])
def test_a_clause_that_is_judged_first_by_a_dead_server_claims_no_harm(how: str) -> None:
    for id in ("RT-019", "CON-007", "DEL-012", "KEY-013", "URL-022", "URL-009"):
        server = Dying(DEATHS[how])
        with serving(server) as target, open_session(target, capabilities=frozenset(Capability)) as session:
            plan = Plan(entries=[entries()[id]], effort=QUICK, seed=1)
            server.after = server.answered + 3
            judgement, dead = judge_unless_dead(entries()[id], session, plan, "")
            assert judgement.verdict in (Verdict.ERROR, Verdict.CONFORMS), judgement
            assert (judgement.verdict is Verdict.ERROR) is bool(dead)
            assert judgement.observation is None


def test_timeouts_in_a_row_end_the_provider_and_the_cleanup_waits_for_none() -> None:
    released = threading.Event()

    def hang() -> Response:
        released.wait(60)
        return Response(status=0, hang_up=True)

    def impatient(**options: Any) -> Any:
        return URLLib3Session(**{**options, "timeout": (0.2, 0.2)})

    with (
        mock.patch.object(http_transport, "TIMEOUT_S", 0.2),
        mock.patch.object(sdk_connections, "URLLib3Session", impatient),
    ):
        for after in (20, 150):
            server = Dying(hang, after)
            with serving(server) as target:
                lines = judged(target, *JUDGED)
            require_an_error_once(lines, conforming=0)
            # The concurrent requests of the clause, three in a row, and the checks after it.
            assert server.answered < after + 40
            assert "not sent, because 3 requests in a row were not answered in time" in lines[-1].left_behind
    released.set()


def clause(*functions: Callable[[Session], None]) -> Entry:
    data = Clause(id="TST-001", statement="It holds.", level=Level.MUST, profile=Profile.CORE, sources=("x",))
    cases = [
        Case(function=function, requires=frozenset(), effort=1.0, racy=False, name=f"m.{number}.{function.__name__}")
        for number, function in enumerate(functions)
    ]
    return Entry(clause=data, proved_by=("a-fault",), cases=cases)


def loses(session: Session) -> None:
    raise Deviation(promised="it is kept", observed="it is gone", harm=Harm.LOSES_DATA)


def decided(session: Session, function: Callable[[Session], None]) -> tuple[Verdict, str]:
    entry = clause(function)
    judgement, dead = judge_unless_dead(entry, session, Plan(entries=[entry], effort=QUICK, seed=1), "")
    return judgement.verdict, dead


@contextmanager
def opened(server: Dying) -> Iterator[Session]:
    with serving(server) as target, open_session(target, capabilities=frozenset({Capability.WIRE})) as session:
        yield session


def test_a_server_that_lost_the_object_and_stores_another_has_lost_data() -> None:
    server = Dying(DEATHS["404"])
    with opened(server) as session:
        for _ in range(2):  # the next time, the other object is looked at

            def empties(session: Session) -> None:
                for key in session.view.keys(""):
                    session.wire.delete(key)
                loses(session)

            assert decided(session, empties) == (Verdict.DEVIATES, "")


def test_a_server_that_removed_the_bucket_of_the_run_has_lost_data_and_gets_another() -> None:
    server = Dying(DEATHS["404"])
    with opened(server) as session:

        def removes(session: Session) -> None:
            server.good.store.buckets.clear()
            loses(session)

        assert decided(session, removes) == (Verdict.DEVIATES, "")
        assert session.view.keys("") != []


@pytest.mark.parametrize("works", ["reads", "writes"])
def test_a_server_that_only_reads_or_only_writes_is_alive_while_one_object_is_right(works: str) -> None:
    good = Dying(DEATHS["503"])

    class Half(Dying):
        def handle(self, request: Request) -> Response:
            if self.after is not None and (request.method in ("GET", "HEAD")) is (works == "writes"):
                return self.dead()
            return self.good.handle(request)

    server = Half(good.dead)
    with opened(server) as session:
        server.after = 0
        verdict, _ = decided(session, loses)
    assert verdict is (Verdict.DEVIATES if works == "reads" else Verdict.ERROR)


@pytest.mark.parametrize(("death", "verdict"), [("403", Verdict.INCONCLUSIVE), ("503", Verdict.CONFORMS)])
def test_what_was_seen_while_the_server_was_away_is_judged_again(death: str, verdict: Verdict) -> None:
    server = Dying(DEATHS[death])
    with opened(server) as session:
        away = [0]

        def handle(request: Request) -> Response:
            away[0] -= 1
            return server.good.handle(request) if away[0] < 0 else server.dead()

        def reads(session: Session) -> None:
            status = session.wire.request("GET", query=(("list-type", "2"),)).status
            if status != 200:
                raise Deviation(promised="200", observed=str(status))

        def never(session: Session) -> None:
            session.wire.request("GET", query=(("list-type", "2"),))
            away[0] = AWAY
            raise Deviation(promised="200", observed="the server ends at this")

        with (
            mock.patch.object(server, "handle", handle),
            mock.patch("bucket_conformance.conformance.backend.liveness.REVIVAL_S", 10.0),
        ):
            away[0] = AWAY
            entry = clause(reads)
            judgement, dead = judge_unless_dead(entry, session, Plan(entries=[entry], effort=QUICK, seed=1), "")
            # A 503 decides nothing: the example is tried again until the server is back.
            assert (judgement.verdict, dead) == (verdict, "")
            assert verdict is Verdict.CONFORMS or "away for a while" in judgement.reason
            # The request that ends the server each time is reported as such.
            assert decided(session, never) == (Verdict.DEVIATES, "")


def test_a_foreign_storage_that_fails_everything_is_dead(tmp_path: Path) -> None:
    class Mortal(LocalStorage):
        dead = False

        def upload(self, key: str, body: Any, *, content_type: str | None = None) -> Any:
            if self.dead:
                raise StorageError(ErrorCode.UNAVAILABLE, operation="upload", key=key)
            return super().upload(key, body, content_type=content_type)

        def download(self, key: str) -> bytes:
            if self.dead:
                raise StorageError(ErrorCode.UNAVAILABLE, operation="download", key=key)
            return super().download(key)

    storage = Mortal(tmp_path)
    with (
        mock.patch("bucket_conformance.conformance.backend.liveness.REVIVAL_S", 0.1),
        open_session(StorageFactory(make=lambda: storage, name="mine:make")) as session,
    ):
        assert decided(session, loses) == (Verdict.DEVIATES, "")
        storage.dead = True
        verdict, dead = decided(session, loses)
        assert verdict is Verdict.ERROR
        assert "writing a fresh object failed: StorageError" in dead
        storage.dead = False
        session.storage.delete_files([stat.key for stat in session.storage.list("")])
        assert decided(session, loses) == (Verdict.DEVIATES, "")
    assert list(storage.list("")) == []


def test_a_disk_whose_folder_is_gone_is_dead(tmp_path: Path) -> None:
    with (
        mock.patch("bucket_conformance.conformance.backend.liveness.REVIVAL_S", 0.1),
        open_session(DiskRoot(root=tmp_path)) as session,
    ):
        assert decided(session, loses) == (Verdict.DEVIATES, "")
        session.root.rename(tmp_path / "elsewhere")
        verdict, dead = decided(session, loses)
    assert verdict is Verdict.ERROR
    assert "No such file or directory" in dead


def late(started: float = float("inf")) -> Exchange:
    return Exchange(origin="wire", method="GET", target="/b/k", error="TimeoutError", timed_out=True, started=started)


def test_concurrent_timeouts_count_as_one_in_a_row() -> None:
    answered = Exchange(origin="wire", method="GET", target="/b/k", status=200)
    recorder = Recorder()
    for exchange in (late(), late(), answered, late(), late()):
        recorder.add(exchange)
        assert not recorder.hopeless
    recorder.add(late(started=0.0))  # sent before the last one had timed out
    assert not recorder.hopeless
    recorder.add(late())
    assert recorder.hopeless


@contextmanager
def stalling() -> Iterator[str]:
    """Serve answers of ten bytes of which three come."""
    released = threading.Event()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while self.rfile.readline() not in (b"\r\n", b""):
                pass
            self.wfile.write(b'HTTP/1.1 200 OK\r\nETag: "e"\r\nContent-Length: 10\r\n\r\nabc')
            released.wait(30)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            released.set()
            server.shutdown()
            thread.join()


def test_a_stalled_body_times_out_in_both_transports() -> None:
    with stalling() as url, mock.patch.object(http_transport, "TIMEOUT_S", 0.2):
        transport = http_transport.HttpTransport(Recorder())
        answer = transport.send("GET", f"{url}/b/k")
        transport.close()
        assert answer.timed_out
        recorder = Recorder()
        with mock.patch.object(
            sdk_connections, "URLLib3Session", lambda **o: URLLib3Session(**{**o, "timeout": (0.2, 0.2)})
        ):
            hook = sdk_hook.SdkHook(recorder)
        client: Any = make_client(region="us-east-1", endpoint=url, access_key=KEY, secret_key=SECRET)
        client.meta.events.register("before-send.s3", hook.before_send)
        with pytest.raises(BotoCoreError):
            client.get_object(Bucket="b", Key="k")["Body"].read()
        client.close()
        hook.close()
    assert recorder.kept()[-1].timed_out


def test_a_body_that_stalls_is_no_verdict() -> None:
    server = Dying(DEATHS["503"])
    with opened(server) as session:
        stalled = Exchange(
            origin="wire", method="GET", target="/b/k", status=200, error="TimeoutError: timed out", timed_out=True
        )

        def reads(session: Session) -> None:
            session.recorder.add(stalled)
            loses(session)

        assert decided(session, reads) == (Verdict.INCONCLUSIVE, "")


def test_the_body_of_an_error_is_nobodys_object() -> None:
    assert stored_in(HttpResponse(status=200, body=b"x")) == b"x"
    assert stored_in(HttpResponse(status=404, body=b"x")) is None
    for answer in (
        HttpResponse(status=403, body=b"x"),
        HttpResponse(status=500, body=b"x"),
        HttpResponse(status=204),
        HttpResponse(status=0, error="hung up"),
        HttpResponse(status=200, body=b"x", error="body cut off"),
    ):
        assert not tells(stored_in(answer))
        assert not is_lost(answer, b"before")
    assert is_lost(HttpResponse(status=404), b"before")
    assert is_lost(HttpResponse(status=200, body=b"other"), b"before")
    assert not is_lost(HttpResponse(status=200, body=b"before"), b"before")
