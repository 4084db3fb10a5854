"""Faults that show when the server is killed and started again; ``forward.memory["restarts"]`` counts those."""

from __future__ import annotations

from tests.exemplar.types import Request, Response
from tests.faults.gateway import Forward, fault


def _bare(path: str, request: Request, method: str, body: bytes = b"") -> Request:
    headers = (("Host", request.header("host")), ("Content-Length", str(len(body))))
    return Request(method=method, target=path, headers=headers, body=body)


def _held(path: str, request: Request, forward: Forward) -> bytes | None:
    answer = forward.trusted(_bare(path, request, "GET"))
    return answer.body if answer.status == 200 else None


def _restarted(forward: Forward) -> bool:
    restarts = forward.memory.get("restarts", 0)
    return bool(restarts > forward.memory.setdefault("restarts seen", 0))


@fault(
    "restart-loses-the-last-writes",
    "the last uploads before a kill were answered from memory alone",
    breaks=["DUR-002"],
)
def restart_loses_the_last_writes(request: Request, forward: Forward) -> Response:
    with forward.lock:
        undo: list[tuple[str, bytes | None]] = forward.memory.setdefault("undo", [])
        if _restarted(forward):
            forward.memory["restarts seen"] = forward.memory["restarts"]
            for path, body in reversed(undo[-16:]):
                forward.trusted(_bare(path, request, "DELETE" if body is None else "PUT", body or b""))
        if request.is_object("PUT") and "uploadId" not in request.query:
            undo.append((request.path, _held(request.path, request, forward)))
            return forward(request)
    return forward(request)


@fault("restart-brings-deleted-back", "objects deleted before a kill are there again after it", breaks=["DUR-002"])
def restart_brings_deleted_back(request: Request, forward: Forward) -> Response:
    with forward.lock:
        stored: dict[str, bytes | None] = forward.memory.setdefault("stored", {})
        if _restarted(forward):
            forward.memory["restarts seen"] = forward.memory["restarts"]
            for path, body in stored.items():
                if body is not None and _held(path, request, forward) is None:
                    forward.trusted(_bare(path, request, "PUT", body))
        if request.is_object("PUT") and "uploadId" not in request.query:
            answer = forward(request)
            stored[request.path] = _held(request.path, request, forward)
            return answer
    return forward(request)
