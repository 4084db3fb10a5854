"""No run changes foreign data, whatever a server lists, whoever works at the same time, wherever a run is killed.

Each case makes a store in memory with data of strangers and of other runs, lets runs open, write, end or be killed
while ``clean`` works, and checks every change: none may affect the data of somebody else.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, Final
from unittest.mock import MagicMock
from urllib.parse import urlsplit

import pytest
import time_machine
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import bucket_conformance.conformance.backend.opening
from bucket_conformance.conformance.backend.errors import OpeningError
from bucket_conformance.conformance.backend.leftovers import clean_endpoint
from bucket_conformance.conformance.backend.opening import open_session
from bucket_conformance.conformance.session import LEADS, Session
from bucket_conformance.conformance.target import S3Endpoint
from bucket_conformance.conformance.verdict import ViewError
from bucket_conformance.conformance.wire.exchange import Headers
from bucket_conformance.conformance.wire.s3 import S3Wire
from bucket_conformance.conformance.wire.transport import HttpResponse, HttpTransport
from tests.exemplar.memory_s3 import Broken, Bucket, MemoryS3

CASES: Final = 640
"""For each way of listing wrongly."""

NOW: Final = 1_800_000_000
DAY_S: Final = 86_400


def _id(age_s: float, digits: str) -> str:
    return f"{int(NOW - age_s):x}-{digits}"


FIRST, SECOND = _id(60, "a1a1a1"), _id(30, "b2b2b2")
"""The runs of a case."""
DEAD: Final = _id(3 * DAY_S, "0d0d0d")
YOUNG: Final = _id(600, "55aa55")
LIVE: Final = _id(5 * DAY_S, "11fe11")
AHEAD: Final = _id(-9 * DAY_S, "fffff0")
"""Runs of other people: left behind days ago; begun lately; at work for days; from a machine whose clock is ahead."""

OTHER_RUNS: Final = {"dead": (DEAD, 3 * DAY_S), "young": (YOUNG, 500), "live": (LIVE, 60), "ahead": (AHEAD, 500)}
"""Owner: id, and how old the things are that it left."""

OF_A_RUN: Final = (
    "conformance-{}/0/a",
    "project/conformance-{}-1/FILE/f",
    "platform/conformance-{}-1f/FILE/f",
    *(f"{lead}conformance-{{}}/2/x" for lead in LEADS),
)

STRANGE: Final = (
    "notes.txt",
    "conformance-notes/mine",
    "conformance-reports",
    "conformance-",
    "project/p/FILE/f",
    "project/conformance-2026/FILE/f",
    "platform/conformance-x/FILE/f",
    " notes",
    "%2Fconformance-",
    *(
        shape.format(id)
        for id in (FIRST, DEAD)
        for shape in (
            "conformance-{}x/0/a",
            "conformance-{}0/0/a",
            "conformance-{}.bak",
            "conformance-{}-beefs",
            "conformance-{}-1ssssssssss.bak",
            "conformance-{}%2F0%2Fa",
            "%63onformance-{}/0/a",
            "x/conformance-{}/0/a",
            "Conformance-{}/0/a",
            "project/conformance-{}beef/FILE/f",
            "project/conformance-{}-notes/FILE/f",
            "platform/conformance-{}s/FILE/f",
            "project/x/conformance-{}-1/FILE/f",
            "++conformance-{}/0/a",
        )
    ),
)
"""Keys of strangers: near to those of runs, and such as extend them."""

BUCKETS: Final = {
    "theirs": "stranger",
    "conformance-reports": "stranger",
    f"conformance-{DEAD}": "dead",
    f"conformance-{DEAD}-kept": "stranger",
    f"conformance-{YOUNG}": "young",
    f"conformance-{LIVE}": "live",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """Something that lies there before. ``what``: an object, an upload, or a delete marker on top of an object."""

    owner: str
    key: str
    bucket: int
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The work of a run or a clean. ``kill_at``: the request at which it ends; ``hard``: it cannot clean up."""

    kind: str
    own_bucket: bool
    steps: tuple[int, ...] = ()
    kill_at: int | None = None
    hard: bool = False
    visited_at: int = 0
    """At which request a stranger stores something in the run's own bucket, once that is there; 0: never."""
    older_than_s: float = DAY_S
    keep_versions: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    things: tuple[Thing, ...]
    versioned: bool
    broken_from: int
    page: int
    removes_full_buckets: bool
    versions_known: bool
    versions_removable: bool
    locked: bool
    work: tuple[Work, ...]
    turns: bytes | None
    """The order in which the actors send requests; ``None``: one actor after the other."""


def _strangers() -> st.SearchStrategy[Thing]:
    return st.builds(
        Thing,
        owner=st.just("stranger"),
        key=st.sampled_from(STRANGE),
        bucket=st.integers(0, len(BUCKETS) - 1),
        what=st.sampled_from(("object", "object", "upload", "marker")),
    )


def _of_runs() -> st.SearchStrategy[Thing]:
    def made(owner: str, shape: str, what: str) -> Thing:
        return Thing(owner=owner, key=shape.format(OTHER_RUNS[owner][0]), bucket=0, what=what)

    return st.builds(
        made, st.sampled_from(tuple(OTHER_RUNS)), st.sampled_from(OF_A_RUN), st.sampled_from(("object", "upload"))
    )


_KILLS: Final = st.none() | st.integers(1, 70)
_RUN: Final = st.builds(
    Work,
    kind=st.just("run"),
    own_bucket=st.booleans(),
    steps=st.lists(st.integers(0, 23), max_size=3).map(tuple),
    kill_at=_KILLS,
    hard=st.booleans(),
    visited_at=st.sampled_from((0, 0, 0, 4, 6, 12, 30)),
    keep_versions=st.booleans(),
)
_CLEAN: Final = st.builds(
    Work,
    kind=st.just("clean"),
    own_bucket=st.booleans(),
    kill_at=_KILLS,
    hard=st.booleans(),
    older_than_s=st.sampled_from((DAY_S, DAY_S, 0)),
)
_CASES: Final = st.builds(
    Case,
    things=st.lists(_strangers() | _of_runs(), min_size=1, max_size=6).map(tuple),
    versioned=st.booleans(),
    broken_from=st.sampled_from((0, 0, 8, 12, 20)),
    page=st.sampled_from((1000, 2)),
    removes_full_buckets=st.booleans(),
    versions_known=st.booleans(),
    versions_removable=st.booleans(),
    locked=st.sampled_from((False, False, False, True)),
    work=st.tuples(_RUN)
    | st.tuples(_CLEAN)
    | st.tuples(_RUN, _CLEAN)
    | st.tuples(_CLEAN, _RUN)
    | st.tuples(_RUN, _RUN, _CLEAN),
    turns=st.none() | st.binary(min_size=8, max_size=8),
)


class Killed(BaseException):
    """Simulates the end of a process."""


@dataclass(slots=True)
class Actor:
    """A run or a clean at work."""

    name: str
    work: Work
    server: MemoryS3
    wait: Callable[[], None] = lambda: None
    sent: int = 0
    at_work: bool = False
    error: Exception | None = None
    """The exception that no command handles: the user would see a traceback."""

    def send(self, method: str, url: str, headers: Headers, body: bytes) -> HttpResponse:
        self.sent += 1
        kill_at = self.work.kill_at
        if kill_at is not None and (self.sent == kill_at or (self.work.hard and self.sent > kill_at)):
            raise Killed if self.work.hard else KeyboardInterrupt
        self.wait()
        own = self.server.buckets.get(f"conformance-{self.name}")
        # Not during the bucket's removal: only the server can ensure then that a full bucket stays.
        removes = method == "DELETE" and urlsplit(url).path == f"/conformance-{self.name}"
        if self.sent == self.work.visited_at and own is not None and not removes:
            self.server.store(own, STRANGE[self.sent], "stranger")
        return self.server.send(self.name, method, url, headers, body)

    def act(self) -> None:
        _HERE.actor = self
        self.at_work = True
        # A bucket that cannot be used, an invalid listing, a kill: all of these may end the work.
        try:
            with contextlib.suppress(OpeningError, ViewError, Killed, KeyboardInterrupt):
                if self.work.kind == "run":
                    self._run()
                else:
                    self._clean()
        except Exception as error:
            self.error = error
        finally:
            self.at_work = False

    def _target(self) -> S3Endpoint:
        bucket = None if self.work.own_bucket else "theirs"
        return S3Endpoint(
            url="http://memory",
            access_key="key",
            secret_key="secret",
            bucket=bucket,
            keep_versions=self.work.keep_versions,
        )

    def _run(self) -> None:
        with open_session(self._target(), run_id=self.name) as session:
            for step in self.work.steps:
                _step(session, step)

    def _clean(self) -> None:
        # The removal of earlier releases had no age limit; this test also works with it.
        aged = "older_than_s" in inspect.signature(clean_endpoint).parameters
        more: dict[str, Any] = {"older_than_s": self.work.older_than_s} if aged else {}
        for _ in clean_endpoint(self._target(), dry_run=False, **more):
            pass


def _step(session: Session, step: int) -> None:
    if step < len(OF_A_RUN):
        session.wire.put(OF_A_RUN[step].format(session.run_id), b"ours")
    elif step == len(OF_A_RUN):
        session.wire.request("POST", session.fresh_prefix() + "u", query=(("uploads", ""),))
    elif step == len(OF_A_RUN) + 1:
        session.wire.delete(session.fresh_prefix() + "d")
    else:
        session.populate([session.fresh_prefix() + "p" for _ in range(2)])


_HERE = threading.local()


@pytest.fixture(autouse=True, scope="module")
def _in_memory() -> Iterator[None]:
    """Put the actor of the thread in place of the network; sign nothing, and make no SDK."""

    def send(
        _: HttpTransport, method: str, url: str, *, headers: Headers = (), body: bytes = b"", **__: Any
    ) -> HttpResponse:
        answer: HttpResponse = _HERE.actor.send(method, url, headers, body)
        return answer

    def unsigned(_: S3Wire, method: str, url: str, headers: Headers, body: bytes, **__: Any) -> Headers:
        return headers

    client = MagicMock()
    with pytest.MonkeyPatch.context() as patch, time_machine.travel(NOW, tick=False):
        patch.setattr(HttpTransport, "send", send)
        patch.setattr(S3Wire, "sign", unsigned)
        patch.setattr(bucket_conformance.conformance.backend.opening, "make_client", lambda **_: client)
        patch.setattr(
            bucket_conformance.conformance.backend.opening,
            "SdkHook",
            lambda *_, **__: SimpleNamespace(before_send=None, close=int),
        )
        yield


@dataclass(slots=True)
class Turns:
    """Lets actors send one request at a time, in an order that the case gives."""

    order: bytes
    back: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def play(self, actors: Sequence[Actor]) -> None:
        waiting: list[threading.Semaphore] = []
        threads = []
        for actor in actors:
            go = threading.Semaphore(0)
            actor.wait = functools.partial(self._pass, go)
            threads.append(threading.Thread(target=self._played, args=(actor, go, waiting), daemon=True))
            waiting.append(go)
        for thread in threads:
            thread.start()
        step = 0
        while waiting:
            waiting[self.order[step % len(self.order)] % len(waiting)].release()
            self.back.acquire()
            step += 1
        for thread in threads:
            thread.join()

    def _pass(self, go: threading.Semaphore) -> None:
        self.back.release()
        go.acquire()

    def _played(self, actor: Actor, go: threading.Semaphore, waiting: list[threading.Semaphore]) -> None:
        go.acquire()
        try:
            actor.act()
        finally:
            waiting.remove(go)
            self.back.release()


def played(case: Case, broken: Broken) -> MemoryS3:
    """Play a case to its end and return the store."""
    actors: list[Actor] = []

    def may(actor: str, owner: str) -> bool:
        if actor == owner:
            return True
        if actor != "clean" or owner in ("stranger", "live"):
            return False
        if owner == "dead":
            return True
        cleaning = next(each for each in actors if each.name == "clean")
        own = next((each for each in actors if each.name == owner), None)
        return cleaning.work.older_than_s == 0 and not (own is not None and own.at_work and _has_lease(server, owner))

    server = MemoryS3(
        broken=broken,
        broken_from=case.broken_from,
        page=case.page,
        removes_full_buckets=case.removes_full_buckets,
        versions_known=case.versions_known,
        versions_removable=case.versions_removable,
        locked=case.locked,
        now=NOW,
        may=may,
    )
    for name, owner in BUCKETS.items():
        age_s = OTHER_RUNS.get(owner, ("", 99 * DAY_S))[1]
        server.bucket(name, owner, versioned=case.versioned, age_s=5 * DAY_S if owner == "live" else age_s)
    for name in ("theirs", f"conformance-{LIVE}"):
        server.store(server.buckets[name], f"conformance-{LIVE}/lease", "live", age_s=60)
    for thing in case.things:
        _put_there(server, thing)
    names = iter((FIRST, SECOND))
    actors += [
        Actor(name="clean" if work.kind == "clean" else next(names), work=work, server=server) for work in case.work
    ]
    if case.turns is None or len(actors) == 1:
        for actor in actors:
            actor.act()
    else:
        Turns(case.turns).play(actors)
    for error in [actor.error for actor in actors if actor.error is not None]:
        raise error
    return server


def _has_lease(server: MemoryS3, run_id: str) -> bool:
    key = f"conformance-{run_id}/lease"
    return any(bucket.current(key) is not None for bucket in server.buckets.values())


def _put_there(server: MemoryS3, thing: Thing) -> None:
    bucket: Bucket = list(server.buckets.values())[thing.bucket]
    age_s = OTHER_RUNS[thing.owner][1] if thing.owner in OTHER_RUNS else 99 * DAY_S
    if thing.what == "upload":
        server.begin(bucket, thing.key, thing.owner, age_s=age_s)
        return
    server.store(bucket, thing.key, thing.owner, age_s=age_s)
    if thing.what == "marker" and bucket.versioned:
        server.store(bucket, thing.key, thing.owner, age_s=age_s, marker=True)


@pytest.mark.parametrize("broken", Broken, ids=lambda broken: broken.name.lower().replace("_", "-"))
def test_no_foreign_data_is_changed(broken: Broken) -> None:
    tried = 0

    @settings(
        max_examples=CASES,
        derandomize=True,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
    @given(_CASES)
    def every_case(case: Case) -> None:
        nonlocal tried
        tried += 1
        assert played(case, broken).harm == []

    every_case()
    assert tried >= CASES


def test_there_are_ten_thousand_cases() -> None:
    assert len(Broken) * CASES >= 10_000


def _plain(*work: Work, things: Sequence[Thing] = (), versioned: bool = False) -> Case:
    return Case(
        things=tuple(things),
        versioned=versioned,
        broken_from=0,
        page=2,
        removes_full_buckets=False,
        versions_known=True,
        versions_removable=True,
        locked=False,
        work=work,
        turns=None,
    )


EVERY_STEP: Final = tuple(range(24))


@pytest.mark.parametrize("own_bucket", [False, True], ids=["a bucket of theirs", "a bucket of its own"])
def test_with_correct_listings_a_run_removes_everything_it_stored(own_bucket: bool) -> None:
    server = played(_plain(Work(kind="run", own_bucket=own_bucket, steps=EVERY_STEP)), Broken.NOTHING)
    assert server.of(FIRST) == {}
    assert server.harm == []


@pytest.mark.parametrize("own_bucket", [False, True], ids=["a bucket of theirs", "buckets of theirs"])
def test_with_correct_listings_clean_removes_only_what_is_old(own_bucket: bool) -> None:
    things = [
        Thing(owner=owner, key=shape.format(OTHER_RUNS[owner][0]), bucket=0, what=what)
        for owner in OTHER_RUNS
        for shape in OF_A_RUN
        for what in ("object", "upload")
    ]
    things += [Thing(owner="stranger", key=key, bucket=0, what="object") for key in STRANGE]
    before = played(_plain(things=things), Broken.NOTHING)
    server = played(_plain(Work(kind="clean", own_bucket=own_bucket), things=things), Broken.NOTHING)
    for owner in ("stranger", "live", "young", "ahead"):
        assert server.of(owner) == before.of(owner) != {}
    # What is in the bucket goes with --bucket, the bucket without.
    assert bool(before.of("dead"))
    assert all(own_bucket == name.startswith("theirs/") for name in server.of("dead"))
    assert len(server.of("dead")) == (2 * len(OF_A_RUN) if own_bucket else 1)


@pytest.mark.parametrize("hard", [False, True])
def test_leftovers_of_a_killed_run_are_removed_when_the_run_is_old_enough(hard: bool) -> None:
    killed = Work(kind="run", own_bucket=False, steps=EVERY_STEP, kill_at=30, hard=hard)
    beside = played(_plain(killed, Work(kind="clean", own_bucket=False)), Broken.NOTHING)
    assert bool(beside.of(FIRST)) == hard
    assert beside.harm == []


@pytest.mark.parametrize("removable", [True, False], ids=["removable", "kept"])
def test_a_run_removes_or_hides_only_its_own_versions(removable: bool) -> None:
    work = Work(kind="run", own_bucket=False, steps=EVERY_STEP, keep_versions=True)
    things = [Thing(owner="stranger", key=key, bucket=0, what=what) for key in STRANGE for what in ("object", "marker")]
    case = replace(_plain(work, things=things, versioned=True), versions_removable=removable)
    before = played(replace(case, work=()), Broken.NOTHING)
    server = played(case, Broken.NOTHING)
    assert server.harm == []
    assert server.of("stranger") == before.of("stranger")
    assert bool(server.of(FIRST)) != removable
    theirs = server.buckets["theirs"]
    assert [key for key in theirs.keys if (now := theirs.current(key)) is not None and now.owner == FIRST] == []


def test_one_bucket_behind_every_name_is_noticed_before_anything_is_written() -> None:
    work = Work(kind="run", own_bucket=True)
    server = MemoryS3(broken=Broken.ONE_BUCKET, now=NOW)
    server.store(server.bucket("theirs", "stranger"), "notes.txt", "stranger")
    before = server.of("stranger")
    _HERE.actor = Actor(name=FIRST, work=work, server=server)
    with (
        pytest.raises(OpeningError, match="which nobody has made yet, is there") as caught,
        open_session(S3Endpoint(url="http://memory", access_key="key", secret_key="secret"), run_id=FIRST),
    ):
        pass
    assert caught.value.usage
    assert (server.of("stranger"), server.of(FIRST), server.harm) == (before, {}, [])
