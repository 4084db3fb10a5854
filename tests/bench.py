"""Opens sessions on the good stores and on the broken ones, and judges clauses there."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from bucket_conformance.conformance.backend.opening import open_session
from bucket_conformance.conformance.catalogue import entries
from bucket_conformance.conformance.contract import Capability
from bucket_conformance.conformance.effort import EFFORTS, Mode
from bucket_conformance.conformance.engine.judge import Judgement
from bucket_conformance.conformance.engine.run import Plan, judge_unless_dead
from bucket_conformance.conformance.session import Session
from bucket_conformance.conformance.target import DiskRoot, S3Endpoint
from tests.exemplar.server import Exemplar
from tests.faults.gateway import Fault, FaultyServer, all_faults
from tests.faults.local_faults import LayoutFault, StorageFault, all_layout_faults, all_storage_faults
from tests.faults.part_faults import PartsFault, all_parts_faults

EVERY_S3_CAPABILITY: Final = frozenset(Capability)
"""The capabilities that a session has only together with a part of the system, declared or not."""

AnyFault = Fault | StorageFault | LayoutFault | PartsFault


def every_fault() -> dict[str, AnyFault]:
    """Return the faults of servers, storages, layouts and the system around them by id."""
    found: dict[str, AnyFault] = {}
    registries: tuple[Iterable[AnyFault], ...] = (
        all_faults(),
        all_storage_faults(),
        all_layout_faults(),
        all_parts_faults(),
    )
    for registry in registries:
        for fault in registry:
            assert fault.id not in found, f"fault id {fault.id} is used twice"
            found[fault.id] = fault
    return found


FOUND_BY_CHANCE: Final = frozenset({"CON-005", "CON-006", "CON-011", "DUR-001", "MIG-001"})
"""Clauses decided by whole histories or by the moment of a kill: a few examples may miss what more would find."""


@contextmanager
def on_exemplar() -> Iterator[Session]:
    """Open a session on the exemplary server."""
    with Exemplar("AKexemplar", "exemplar-secret") as server:
        target = S3Endpoint(url=server.url, access_key="AKexemplar", secret_key="exemplar-secret", disposable=True)
        # It keeps everything in memory, so a restart of a durable server is invisible to clients.
        with open_session(target, capabilities=EVERY_S3_CAPABILITY, restart=lambda: None) as session:
            yield session


@contextmanager
def on_disk() -> Iterator[Session]:
    """Open a session on the reference's local storage."""
    with (
        tempfile.TemporaryDirectory() as folder,
        open_session(DiskRoot(root=Path(folder))) as session,
    ):
        yield session


@contextmanager
def under(fault: AnyFault) -> Iterator[Session]:
    """Open a session on a store with this one fault."""
    with ExitStack() as stack:
        if isinstance(fault, Fault):
            server = stack.enter_context(FaultyServer(fault))
            credentials = server.forward.upstream.credentials
            target = S3Endpoint(
                url=server.url,
                access_key=credentials.access_key,
                secret_key=credentials.secret_key,
                disposable=True,
            )

            def restart() -> None:
                with server.forward.lock:
                    server.forward.memory["restarts"] = server.forward.memory.get("restarts", 0) + 1

            yield stack.enter_context(open_session(target, capabilities=EVERY_S3_CAPABILITY, restart=restart))
        elif isinstance(fault, StorageFault) and fault.on == "s3":
            good = stack.enter_context(Exemplar("AKexemplar", "exemplar-secret"))
            wrapped = S3Endpoint(
                url=good.url,
                access_key="AKexemplar",
                secret_key="exemplar-secret",
                disposable=True,
                wrap=fault.wrap,
            )
            yield stack.enter_context(open_session(wrapped, capabilities=EVERY_S3_CAPABILITY))
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            wrap = fault.wrap if isinstance(fault, StorageFault) else None
            layout = fault.layout if isinstance(fault, LayoutFault) else None
            parts = fault.change if isinstance(fault, PartsFault) else None
            yield stack.enter_context(open_session(DiskRoot(root=folder, wrap=wrap, parts=parts), layout=layout))


def decide(clause_id: str, session: Session, *, seed: int = 1, mode: Mode = Mode.QUICK) -> Judgement:
    """Judge one clause as a run does: verdicts that a dead server could have caused are withdrawn."""
    entry = entries()[clause_id]
    return judge_unless_dead(entry, session, Plan(entries=[entry], effort=EFFORTS[mode], seed=seed), "")[0]
