"""Deletes many keys by parallel batches of DeleteObjects, and reports the outcome of every key."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError, ReadTimeoutError

from bucket_conformance.reference_impl.api import DeleteError, DeleteFailure, DeleteResult
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from bucket_conformance.reference_impl.s3_errors import backend_code_of, code_of, scrub, status_of, translate

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

OPERATION: Final = "delete_files"

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""The characters that XML 1.0 cannot represent, not even escaped (https://www.w3.org/TR/xml/#charsets)."""


@dataclass(slots=True, kw_only=True)
class _Outcome:
    deleted: set[str] = field(default_factory=set)
    failed: dict[str, DeleteFailure] = field(default_factory=dict)
    unknown: dict[str, StorageError] = field(default_factory=dict)


def delete_keys(
    client: S3Client,
    bucket: str,
    keys: Sequence[str],
    *,
    batch_size: int,
    parallel_batches: int,
    secrets: Callable[[], Iterable[str]],
) -> DeleteResult:
    """Delete the distinct ``keys`` and return the result; raise ``DeleteError`` unless every key is known to be gone.

    ``requests`` counts the batches, and one for each key that XML cannot carry and that is therefore deleted alone.
    """
    in_batches = [key for key in keys if not _NOT_XML.search(key)]
    batches = [in_batches[start : start + batch_size] for start in range(0, len(in_batches), batch_size)]
    jobs: list[Callable[[], _Outcome]] = [
        *(lambda batch=batch: _delete_batch(client, bucket, batch, secrets) for batch in batches),
        *(lambda key=key: _delete_one(client, bucket, key, secrets) for key in keys if _NOT_XML.search(key)),
    ]
    outcomes = _run(jobs, parallel_batches)
    deleted = set().union(*(outcome.deleted for outcome in outcomes)) if outcomes else set()
    failed = {key: failure for outcome in outcomes for key, failure in outcome.failed.items()}
    unknown = {key: error for outcome in outcomes for key, error in outcome.unknown.items()}
    result = DeleteResult(
        deleted=tuple(key for key in keys if key in deleted),
        failed=tuple(failed[key] for key in keys if key in failed),
        unknown=tuple(key for key in keys if key in unknown),
        requests=len(jobs),
    )
    if result.failed or result.unknown:
        first = result.failed[0].code if result.failed else unknown[result.unknown[0]].code
        raise DeleteError(first, result, _hint(result, unknown))
    return result


def _run(jobs: Sequence[Callable[[], _Outcome]], parallel: int) -> list[_Outcome]:
    if len(jobs) <= 1 or parallel == 1:
        return [job() for job in jobs]
    with ThreadPoolExecutor(max_workers=min(parallel, len(jobs)), thread_name_prefix="delete-batch") as pool:
        return list(pool.map(lambda job: job(), jobs))


def _hint(result: DeleteResult, unknown: dict[str, StorageError]) -> str:
    parts = [f"{len(result.deleted)} deleted"]
    if result.failed:
        by_code = Counter(failure.backend_code or failure.code.value for failure in result.failed)
        counts = ", ".join(f"{code} ×{count}" for code, count in by_code.most_common())
        parts.append(f"{len(result.failed)} refused ({counts})")
    if result.unknown:
        why = " / ".join(dict.fromkeys(unknown[key].hint for key in result.unknown))
        parts.append(f"{len(result.unknown)} unknown ({scrub(why)}), which may be deleted again safely")
    return "; ".join(parts) + "; see result"


def _delete_batch(
    client: S3Client, bucket: str, batch: Sequence[str], secrets: Callable[[], Iterable[str]]
) -> _Outcome:
    try:
        # Not Quiet: a key that the server did not understand would otherwise count as deleted.
        response = client.delete_objects(
            Bucket=bucket, Delete={"Objects": [{"Key": key} for key in batch], "Quiet": False}
        )
    except Exception as error:
        return _broken(error, batch, secrets)
    asked, strangers = set(batch), 0
    outcome = _Outcome()
    for refused in response.get("Errors", []):
        key, theirs = str(refused.get("Key", "")), str(refused.get("Code", ""))
        if key not in asked:
            strangers += 1
            continue
        code = code_of(theirs, None)
        if code is ErrorCode.NOT_FOUND:
            outcome.deleted.add(key)
            continue
        outcome.failed[key] = DeleteFailure(
            key=key, code=code, backend_code=theirs, message=scrub(str(refused.get("Message", "")), secrets())
        )
    named = {str(entry.get("Key", "")) for entry in response.get("Deleted", [])}
    outcome.deleted |= (named & asked) - outcome.failed.keys()
    strangers += len(named - asked)
    for key in asked - outcome.deleted - outcome.failed.keys():
        what = f", and names {strangers} that were not asked for" if strangers else ""
        outcome.unknown[key] = StorageError(
            ErrorCode.UNKNOWN, OPERATION, key, f"the answer does not name every key that was asked for{what}"
        )
    return outcome


def _delete_one(client: S3Client, bucket: str, key: str, secrets: Callable[[], Iterable[str]]) -> _Outcome:
    try:
        client.delete_object(Bucket=bucket, Key=key)
    except Exception as error:
        if isinstance(error, ClientError) and code_of(backend_code_of(error), status_of(error)) is ErrorCode.NOT_FOUND:
            return _Outcome(deleted={key})
        return _broken(error, [key], secrets)
    return _Outcome(deleted={key})


def _broken(error: Exception, batch: Sequence[str], secrets: Callable[[], Iterable[str]]) -> _Outcome:
    ours = translate(error, OPERATION, secrets=secrets)
    if isinstance(error, ClientError) and status_of(error) == 501:
        ours = StorageError(ErrorCode.UNSUPPORTED, OPERATION, None, f"no batch delete here: {ours.hint}")
    elif isinstance(error, ReadTimeoutError):
        hint = f"{ours.hint}, and set AP_S3_DELETE_BATCH_SIZE below {len(batch)} if batches take too long"
        ours = StorageError(ours.code, OPERATION, None, hint)
    if isinstance(error, ClientError) and _certainly_refused(error):
        theirs = backend_code_of(error)
        return _Outcome(
            failed={
                key: DeleteFailure(key=key, code=ours.code, backend_code=theirs, message=ours.hint) for key in batch
            }
        )
    if ours.code is ErrorCode.INVALID_CREDENTIALS and not isinstance(error, ClientError):
        return _Outcome(failed={key: DeleteFailure(key=key, code=ours.code, message=ours.hint) for key in batch})
    return _Outcome(unknown=dict.fromkeys(batch, ours))


def _certainly_refused(error: ClientError) -> bool:
    """Return whether the server refused the whole request: a 4xx on the first attempt."""
    status = status_of(error)
    retries = error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0)
    return status is not None and 400 <= status < 500 and status not in (408, 429) and retries == 0
