"""Deliberately wrong stores, which every clause must distinguish from a good one.

An exemplary S3 server (``tests/exemplar/``) keeps the whole contract in memory. A fault stands
between it and the client and breaks one thing. Modules are found by name, without a list.

A fault of an S3 server, in any module ``s3/<family>.py``::

    @fault(
        "get-loses-last-byte",                      # unique, kebab-case
        "a GET answer lacks its last byte",         # what is wrong, in one sentence
        breaks=["RT-001"],                          # clauses that must notice; usually one
        origin="https://…/issues/1",                # the real bug, where there is one
    )
    def get_loses_last_byte(request: Request, forward: Forward) -> Response:
        answer = forward(request)                   # authenticated and answered by the good server
        return answer.with_body(answer.body[:-1]) if request.is_object("GET") else answer

What a behaviour may use:

* ``request``: ``method``, ``bucket``, ``key``, ``query``, ``header(name)``, ``body``, ``is_presigned``,
  ``is_object("PUT", …)``, ``is_listing()``, ``is_batch_delete()``; changed copies by ``with_key``, ``with_query``,
  ``with_header``, ``with_body`` and :func:`dataclasses.replace`.
* ``forward(request)`` for the request as it came; ``forward.trusted(request)`` for one that was changed (no signature
  is asked for); ``forward.authentic(request)`` gives the refusal a bad signature would get, or ``None``. A behaviour
  that goes on with ``trusted`` asks ``authentic`` first, unless the missing check *is* the fault.
* ``forward.memory`` and ``forward.lock``: state of one running server.
* ``Response``: ``with_header``, ``with_body``; ``cut_after=n``, ``hang_up=True`` and ``junk_after=b"…"`` misbehave on
  the wire. ``wants_truncated=True`` in the decorator also passes on requests whose body broke off.

Bodies may be ``aws-chunked``: ``payload.open_body(request, None)`` gives the plain request.
Serve it with ``with FaultyServer(ALL_FAULTS["get-loses-last-byte"]) as server: server.url``, on top of a real endpoint
with ``FaultyServer(fault, upstream=HttpUpstream(url, credentials))``.

A fault of a storage class, in any module ``storage/<family>.py``::

    @storage_fault("stat-rounds-size", "stat gives the size in whole KiB", breaks=["RT-001"])
    class StatRoundsSize(WrappedStorage):
        def stat(self, key: str) -> ObjectStat:
            found = self.inner.stat(key)
            return replace(found, size=found.size // 1024 * 1024)

A fault of a key layout, in any module ``layout/<family>.py``, likewise: ``@layout_fault`` on a subclass of
``WrappedLayout``.

A fault of the system around the storage (settings, retention, migration), in any module ``parts/<family>.py``: see
``part_faults.py``. A fault that shows only when the server is killed and started again finds the number of restarts
in ``forward.memory["restarts"]``.
"""
