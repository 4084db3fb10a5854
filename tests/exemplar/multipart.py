"""Multipart uploads: create, upload part, copy part, complete, abort, list parts, list uploads."""

from __future__ import annotations

import hashlib
import secrets
from itertools import pairwise
from typing import Final

from tests.exemplar import conditions, xml
from tests.exemplar.checksums import ALGORITHMS, Checksum, check_given, check_md5, composite, compute
from tests.exemplar.copy import source_of, source_range
from tests.exemplar.objects import kept_headers, require_key
from tests.exemplar.store import Bucket, Part, Store, Upload, Version, now
from tests.exemplar.types import Request, Response, S3Error

MIN_PART_BYTES: Final = 5 * 1024 * 1024
_CHECKSUM_TAGS: Final = {f"Checksum{name.upper()}": name for name in ALGORITHMS}


def _find(bucket: Bucket, request: Request) -> Upload:
    upload_id = request.query.get("uploadId", "")
    upload = bucket.uploads.get(upload_id)
    if upload is None or upload.key != request.key:
        message = (
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted "
            "or completed."
        )
        raise S3Error(404, "NoSuchUpload", message, fields=(("UploadId", upload_id),))
    return upload


def create(store: Store, request: Request) -> Response:
    key = require_key(request.key)
    algorithm = request.header("x-amz-checksum-algorithm").lower()
    kind = request.header("x-amz-checksum-type").upper()
    if algorithm and algorithm not in ALGORITHMS:
        raise S3Error(400, "InvalidRequest", "Checksum algorithm provided is unsupported.")
    if kind and not algorithm:
        message = "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header."
        raise S3Error(400, "InvalidRequest", message)
    if (algorithm, kind) in {("crc64nvme", "COMPOSITE"), ("sha1", "FULL_OBJECT"), ("sha256", "FULL_OBJECT")}:
        message = f"The {kind} checksum type cannot be used with the {algorithm} checksum algorithm."
        raise S3Error(400, "InvalidRequest", message)
    if algorithm and not kind:
        kind = "FULL_OBJECT" if algorithm == "crc64nvme" else "COMPOSITE"
    system, metadata = kept_headers(request)
    with store.lock:
        bucket = store.bucket(request.bucket)
        upload = Upload(
            upload_id=secrets.token_urlsafe(48),
            key=key,
            initiated=now(),
            sequence=bucket.tick(),
            headers=system,
            metadata=metadata,
            algorithm=algorithm,
            kind=kind,
        )
        bucket.uploads[upload.upload_id] = upload
    parts = [xml.element("Bucket", request.bucket), xml.element("Key", key), xml.element("UploadId", upload.upload_id)]
    answer = xml.document("InitiateMultipartUploadResult", parts)
    if algorithm:
        answer = answer.with_header("x-amz-checksum-algorithm", algorithm.upper())
        answer = answer.with_header("x-amz-checksum-type", kind)
    return answer


def _part_number(request: Request) -> int:
    text = request.query["partNumber"]
    if not text.isdecimal() or not 1 <= int(text) <= 10_000:
        message = "Part number must be an integer between 1 and 10000, inclusive"
        fields = (("ArgumentName", "partNumber"), ("ArgumentValue", text))
        raise S3Error(400, "InvalidArgument", message, fields=fields)
    return int(text)


def put_part(store: Store, request: Request) -> Response:
    number = _part_number(request)
    if request.has_header("x-amz-copy-source"):
        with store.lock:
            upload = _find(store.bucket(request.bucket), request)
            source, _, _ = source_of(store, request)
            body = source_range(request, source)
            made = compute(upload.algorithm, body) if upload.algorithm else None
            part = Part(body=body, etag=hashlib.md5(body).hexdigest(), last_modified=now(), checksum=made)
            upload.parts[number] = part
        date = part.last_modified.strftime("%Y-%m-%dT%H:%M:%S.000Z")
        copied = [xml.element("LastModified", date), xml.element("ETag", f'"{part.etag}"')]
        if made:
            copied.append(xml.element(f"Checksum{made.algorithm.upper()}", made.value))
        return xml.document("CopyPartResult", copied)
    body = request.body
    etag = check_md5(request.header("content-md5") if request.has_header("content-md5") else None, body)
    checksum = check_given({name.lower(): value for name, value in request.headers}, body)
    with store.lock:
        upload = _find(store.bucket(request.bucket), request)
        actual = checksum.algorithm if checksum else "null"
        if upload.algorithm and upload.algorithm != actual and (checksum or upload.kind == "COMPOSITE"):
            message = (
                f"Checksum Type mismatch occurred, expected checksum Type: {upload.algorithm}, "
                f"actual checksum Type: {actual}"
            )
            raise S3Error(400, "InvalidRequest", message)
        upload.parts[number] = Part(body=body, etag=etag, last_modified=now(), checksum=checksum)
    headers = [("ETag", f'"{etag}"')]
    if checksum:
        headers.append((f"x-amz-checksum-{checksum.algorithm}", checksum.value))
    return Response(status=200, headers=tuple(headers))


def _named_parts(request: Request) -> list[tuple[int, str, dict[str, str]]]:
    root = xml.parse(request.body, "CompleteMultipartUpload")
    named: list[tuple[int, str, dict[str, str]]] = []
    for node in xml.children(root, ("Part",)).get("Part", []):
        found = xml.children(node, ("PartNumber", "ETag", *_CHECKSUM_TAGS))
        if {"PartNumber", "ETag"} - found.keys() or any(len(nodes) > 1 for nodes in found.values()):
            xml.malformed()
        number = xml.text(found["PartNumber"][0]).strip()
        if not number.isdecimal():
            xml.malformed()
        sums = {_CHECKSUM_TAGS[tag]: xml.text(nodes[0]) for tag, nodes in found.items() if tag in _CHECKSUM_TAGS}
        named.append((int(number), xml.text(found["ETag"][0]).strip().strip('"'), sums))
    return named


def _chosen_parts(upload: Upload, named: list[tuple[int, str, dict[str, str]]]) -> list[Part]:
    if not named:
        raise S3Error(400, "InvalidRequest", "You must specify at least one part")
    numbers = [number for number, _, _ in named]
    if any(after <= before for before, after in pairwise(numbers)):
        message = "The list of parts was not in ascending order. Parts must be ordered by part number."
        raise S3Error(400, "InvalidPartOrder", message, fields=(("UploadId", upload.upload_id),))
    chosen: list[Part] = []
    for number, etag, sums in named:
        part = upload.parts.get(number)
        # An upload that was begun without an algorithm checks its parts by theirs, and keeps none of them.
        own = {part.checksum.algorithm: part.checksum.value} if part and part.checksum and upload.algorithm else {}
        if part is None or part.etag != etag or any(own.get(name) != value for name, value in sums.items()):
            message = (
                "One or more of the specified parts could not be found.  The part may not have been uploaded, or the "
                "specified entity tag may not match the part's entity tag."
            )
            fields = (("UploadId", upload.upload_id), ("PartNumber", str(number)), ("ETag", etag))
            raise S3Error(400, "InvalidPart", message, fields=fields)
        if upload.kind == "COMPOSITE" and not sums:
            message = (
                f"The upload was created using a {upload.algorithm} checksum. The complete request must include the "
                f"checksum for each part. It was missing for part {number} in the request."
            )
            raise S3Error(400, "InvalidRequest", message)
        chosen.append(part)
    for (number, etag, _), part in list(zip(named, chosen, strict=True))[:-1]:
        if len(part.body) < MIN_PART_BYTES:
            message = "Your proposed upload is smaller than the minimum allowed size"
            fields = (("ETag", etag), ("PartNumber", str(number)), ("ProposedSize", str(len(part.body))))
            raise S3Error(400, "EntityTooSmall", message, fields=(*fields, ("MinSizeAllowed", str(MIN_PART_BYTES))))
    return chosen


def _whole_checksum(upload: Upload, chosen: list[Part], body: bytes, request: Request) -> Checksum | None:
    if not upload.algorithm:
        return None
    if upload.kind == "COMPOSITE":
        made = composite(upload.algorithm, [part.checksum.value for part in chosen if part.checksum])
    else:
        made = compute(upload.algorithm, body)
    given = request.header(f"x-amz-checksum-{upload.algorithm}")
    if given and given.partition("-")[0] != made.value.partition("-")[0]:
        message = f"The {upload.algorithm} you specified did not match the calculated checksum."
        raise S3Error(400, "BadDigest", message)
    return made


def complete(store: Store, request: Request) -> Response:
    with store.lock:
        bucket = store.bucket(request.bucket)
        upload = _find(bucket, request)
        chosen = _chosen_parts(upload, _named_parts(request))
        body = b"".join(part.body for part in chosen)
        declared = request.header("x-amz-mp-object-size")
        if declared and declared != str(len(body)):
            message = "The provided 'x-amz-mp-object-size' header does not match what was computed"
            raise S3Error(400, "InvalidRequest", message)
        checksum = _whole_checksum(upload, chosen, body, request)
        conditions.check_write(request, bucket, upload.key, since=upload.sequence)
        digest = hashlib.md5(b"".join(bytes.fromhex(part.etag) for part in chosen)).hexdigest()
        version = Version(
            key=upload.key,
            version_id=bucket.new_version_id(),
            last_modified=now(),
            body=body,
            etag=f"{digest}-{len(chosen)}",
            headers=upload.headers,
            metadata=upload.metadata,
            checksum=checksum,
            part_sizes=tuple(len(part.body) for part in chosen),
        )
        bucket.add(version)
        del bucket.uploads[upload.upload_id]
        versioned = bucket.versioning == "Enabled"
    location = f"http://{request.header('host')}{request.path}"
    parts = [xml.element("Location", location), xml.element("Bucket", request.bucket)]
    parts += [xml.element("Key", version.key), xml.element("ETag", f'"{version.etag}"')]
    if checksum is not None:
        parts.append(xml.element(f"Checksum{checksum.algorithm.upper()}", checksum.value))
        parts.append(xml.element("ChecksumType", checksum.kind))
    answer = xml.document("CompleteMultipartUploadResult", parts)
    return answer.with_header("x-amz-version-id", version.version_id) if versioned else answer


def abort(store: Store, request: Request) -> Response:
    with store.lock:
        bucket = store.bucket(request.bucket)
        del bucket.uploads[_find(bucket, request).upload_id]
    return Response(status=204)


def _number(request: Request, name: str, default: int) -> int:
    text = request.query.get(name) or str(default)
    if not text.isdecimal() or int(text) > 2_147_483_647:
        message = f"Provided {name} not an integer or within integer range"
        raise S3Error(400, "InvalidArgument", message, fields=(("ArgumentName", name), ("ArgumentValue", text)))
    return int(text)


def list_parts(store: Store, request: Request) -> Response:
    most = min(_number(request, "max-parts", 1000), 1000)
    marker = _number(request, "part-number-marker", 0)
    with store.lock:
        upload = _find(store.bucket(request.bucket), request)
        numbered = sorted((number, part) for number, part in upload.parts.items() if number > marker)
    page = numbered[:most]
    parts = [xml.element("Bucket", request.bucket), xml.element("Key", request.key)]
    parts += [xml.element("UploadId", upload.upload_id), xml.element("PartNumberMarker", marker)]
    parts += [xml.element("NextPartNumberMarker", page[-1][0] if page else 0), xml.element("MaxParts", most)]
    parts.append(xml.element("IsTruncated", len(numbered) > len(page)))
    for number, part in page:
        inner = xml.element("PartNumber", number) + xml.element("ETag", f'"{part.etag}"')
        inner += xml.element("LastModified", part.last_modified.strftime("%Y-%m-%dT%H:%M:%S.000Z"))
        inner += xml.element("Size", len(part.body))
        if part.checksum:
            inner += xml.element(f"Checksum{part.checksum.algorithm.upper()}", part.checksum.value)
        parts.append(f"<Part>{inner}</Part>")
    return xml.document("ListPartsResult", parts)


def list_uploads(store: Store, request: Request) -> Response:
    """Answer ListMultipartUploads, without delimiter: that one is refused rather than ignored."""
    if request.query.get("delimiter"):
        raise S3Error(501, "NotImplemented", "ListMultipartUploads with a delimiter is not implemented")
    encode = xml.url_encode if encoding(request) else str
    most = min(_number(request, "max-uploads", 1000), 1000)
    prefix, marker = request.query.get("prefix", ""), request.query.get("key-marker", "")
    id_marker = request.query.get("upload-id-marker", "") if marker else ""
    with store.lock:
        bucket = store.bucket(request.bucket)
        started = bucket.uploads.get(id_marker)
        if id_marker and (started is None or started.key != marker):
            raise S3Error(400, "InvalidArgument", "Invalid uploadId marker")
        uploads = sorted(bucket.uploads.values(), key=lambda upload: (upload.key.encode(), upload.sequence))
    after = (marker.encode(), started.sequence if started else float("inf"))
    matching = [u for u in uploads if u.key.startswith(prefix)]
    left = [u for u in matching if not marker or (u.key.encode(), u.sequence) > after]
    page = left[:most]
    last = page[-1] if page else None
    parts = [xml.element("Bucket", request.bucket), xml.element("KeyMarker", encode(marker))]
    parts += [xml.element("UploadIdMarker", id_marker), xml.element("Prefix", encode(prefix))]
    parts += [xml.element("NextKeyMarker", encode(last.key) if last else "")]
    parts += [xml.element("NextUploadIdMarker", last.upload_id if last else ""), xml.element("MaxUploads", most)]
    parts.append(xml.element("IsTruncated", len(left) > len(page)))
    if encoding(request):
        parts.append(xml.element("EncodingType", "url"))
    for upload in page:
        inner = xml.element("Key", encode(upload.key)) + xml.element("UploadId", upload.upload_id)
        inner += xml.element("StorageClass", "STANDARD")
        inner += xml.element("Initiated", upload.initiated.strftime("%Y-%m-%dT%H:%M:%S.000Z"))
        parts.append(f"<Upload>{inner}</Upload>")
    return xml.document("ListMultipartUploadsResult", parts)


def encoding(request: Request) -> bool:
    """Return whether names are to be URL-encoded; refuse any encoding but ``url``."""
    value = request.query.get("encoding-type")
    if value not in (None, "url"):
        fields = (("ArgumentName", "encoding-type"), ("ArgumentValue", value))
        raise S3Error(400, "InvalidArgument", "Invalid Encoding Method specified in Request", fields=fields)
    return value is not None
