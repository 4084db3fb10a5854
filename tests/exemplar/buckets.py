"""Buckets themselves: create, head, delete, list, location, versioning, the canned owner ACL."""

from __future__ import annotations

import re
from typing import Final, Literal, cast

from tests.exemplar import xml
from tests.exemplar.listing import OWNER_ID
from tests.exemplar.objects import find
from tests.exemplar.store import Bucket, Store
from tests.exemplar.types import Request, Response, S3Error

_NAME: Final = re.compile("[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_IP: Final = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+")
_REGION: Final = re.compile("EU|[a-z]{2}(-[a-z]+)+-[0-9]")


def create(store: Store, request: Request, region: str) -> Response:
    name = request.bucket
    if not _NAME.fullmatch(name) or ".." in name or _IP.fullmatch(name):
        message = "The specified bucket is not valid."
        raise S3Error(400, "InvalidBucketName", message, fields=(("BucketName", name),))
    location = ""
    if request.body.strip():
        found = xml.children(
            xml.parse(request.body, "CreateBucketConfiguration"), ("LocationConstraint", "Tags", "Bucket", "Location")
        )
        location = xml.text(found["LocationConstraint"][0]) if "LocationConstraint" in found else ""
        if "LocationConstraint" in found and (location == "us-east-1" or not _REGION.fullmatch(location)):
            message = "The specified location-constraint is not valid"
            fields = (("LocationConstraint", location),)
            raise S3Error(400, "InvalidLocationConstraint", message, fields=fields)
    with store.lock:
        # Amazon S3 answers 200 to the owner's repeat in us-east-1 only, for the sake of old clients.
        if name in store.buckets and region != "us-east-1":
            message = "Your previous request to create the named bucket succeeded and you already own it."
            raise S3Error(409, "BucketAlreadyOwnedByYou", message, fields=(("BucketName", name),))
        store.buckets.setdefault(name, Bucket(name, location=location))
    return Response(status=200, headers=(("Location", f"/{name}"),))


def head(store: Store, request: Request, region: str) -> Response:
    with store.lock:
        bucket = store.bucket(request.bucket)
    headers = (("x-amz-bucket-region", bucket.location or region), ("Content-Type", "application/xml"))
    return Response(status=200, headers=headers)


def delete(store: Store, request: Request) -> Response:
    with store.lock:
        bucket = store.bucket(request.bucket)
        if bucket.versions:
            message = "The bucket you tried to delete is not empty"
            raise S3Error(409, "BucketNotEmpty", message, fields=(("BucketName", bucket.name),))
        del store.buckets[bucket.name]
    return Response(status=204)


def list_buckets(store: Store, request: Request) -> Response:
    with store.lock:
        buckets = sorted(store.buckets.values(), key=lambda bucket: bucket.name)
    inner = "".join(
        f"<Bucket>{xml.element('Name', bucket.name)}"
        f"{xml.element('CreationDate', bucket.created.strftime('%Y-%m-%dT%H:%M:%S.000Z'))}</Bucket>"
        for bucket in buckets
        if bucket.name.startswith(request.query.get("prefix", ""))
    )
    owner = f"<Owner>{xml.element('ID', OWNER_ID)}</Owner>"
    return xml.document("ListAllMyBucketsResult", [owner, f"<Buckets>{inner}</Buckets>"])


def location(store: Store, request: Request) -> Response:
    with store.lock:
        bucket = store.bucket(request.bucket)
    return xml.document("LocationConstraint", [xml.escape(bucket.location)])


def get_versioning(store: Store, request: Request) -> Response:
    with store.lock:
        state = store.bucket(request.bucket).versioning
    return xml.document("VersioningConfiguration", [xml.element("Status", state)] if state else [])


def put_versioning(store: Store, request: Request) -> Response:
    found = xml.children(xml.parse(request.body, "VersioningConfiguration"), ("Status", "MfaDelete"))
    with store.lock:
        bucket = store.bucket(request.bucket)
        if "Status" not in found:
            message = "The Versioning element must be specified"
            raise S3Error(400, "IllegalVersioningConfigurationException", message)
        state = xml.text(found["Status"][0])
        if state not in ("Enabled", "Suspended"):
            xml.malformed()
        bucket.versioning = cast(Literal["Enabled", "Suspended"], state)
    return Response(status=200)


def acl(store: Store, request: Request) -> Response:
    """Answer GET ?acl of a bucket or object: the owner has everything, nobody else anything."""
    with store.lock:
        bucket = store.bucket(request.bucket)
        if request.key:
            find(bucket, request.key, request.query.get("versionId"))
    owner = xml.element("ID", OWNER_ID)
    grantee = (
        '<Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        f'xsi:type="CanonicalUser">{owner}</Grantee><Permission>FULL_CONTROL</Permission>'
    )
    grants = f"<AccessControlList><Grant>{grantee}</Grant></AccessControlList>"
    return xml.document("AccessControlPolicy", [f"<Owner>{owner}</Owner>", grants])
