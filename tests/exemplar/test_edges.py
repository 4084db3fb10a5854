"""Status and code of the exemplary server at the edges, as Amazon S3 documents and answers them."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.exemplar.checksums import ALGORITHMS
from tests.exemplar.raw_client import RawClient, path
from tests.exemplar.server import Exemplar


@pytest.fixture
def raw() -> Iterator[RawClient]:
    with Exemplar() as server:
        client = RawClient(server.url)
        assert client.signed("PUT", "/bkt").status == 200
        assert client.signed("PUT", "/bkt/k", b"0123456789").status == 200
        yield client
        client.close()


def md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body).digest()).decode()


@pytest.mark.parametrize(
    ("expires", "age_s", "status", "code"),
    [
        (60, 0, 200, ""),
        (60, 58, 200, ""),
        (60, 62, 403, "AccessDenied"),
        (1, 3, 403, "AccessDenied"),
        (604_800, 604_798, 200, ""),
        (604_800, 604_802, 403, "AccessDenied"),
        (604_800, 960, 200, ""),
        (60, -890, 200, ""),
        (60, -910, 403, "AccessDenied"),
        (604_801, 0, 400, "AuthorizationQueryParametersError"),
        (0, 0, 400, "AuthorizationQueryParametersError"),
        (-1, 0, 400, "AuthorizationQueryParametersError"),
        ("", 0, 400, "AuthorizationQueryParametersError"),
        ("NaN", 0, 400, "AuthorizationQueryParametersError"),
        ("1e3", 0, 400, "AuthorizationQueryParametersError"),
        (10**30, 0, 400, "AuthorizationQueryParametersError"),
    ],
)
def test_a_signed_url_lives_exactly_as_long_as_it_says(
    raw: RawClient, expires: object, age_s: int, status: int, code: str
) -> None:
    target = raw.presigned("GET", "/bkt/k", expires=expires, age_s=age_s)
    answer = raw.send("GET", target)
    assert (answer.status, answer.code) == (status, code)
    assert (b"0123456789" in answer.body) == (status == 200)
    assert raw.send("HEAD", raw.presigned("HEAD", "/bkt/k", expires=expires, age_s=age_s)).status == status


def test_any_change_of_a_signed_url_is_refused(raw: RawClient) -> None:
    raw.signed("PUT", "/bkt/other", b"secret")
    target = raw.presigned("GET", "/bkt/k?response-content-type=text/plain")
    assert raw.send("GET", target).headers["content-type"] == "text/plain"
    changes = [
        ("/bkt/k", "/bkt/other"),
        ("X-Amz-Expires=60", "X-Amz-Expires=61"),
        ("SignedHeaders=host", "SignedHeaders=host%3Bx-other"),
        ("text", "html"),
        ("X-Amz-Signature=", "X-Amz-Signature=0"),
    ]
    for old, new in changes:
        changed = target.replace(old, new)
        assert changed != target
        answer = raw.send("GET", changed)
        assert (answer.status, answer.code) == (403, "SignatureDoesNotMatch"), new
        assert b"secret" not in answer.body
    assert raw.send("GET", target + "&response-expires=x").code == "SignatureDoesNotMatch"
    for method in ("PUT", "DELETE", "POST"):
        assert raw.send(method, target).status == 403
    assert raw.send("GET", raw.presigned("PUT", "/bkt/k")).code == "SignatureDoesNotMatch"
    assert raw.signed("GET", "/bkt/k").body == b"0123456789"


def test_refusals_of_identity_carry_their_codes(raw: RawClient) -> None:
    anonymous = raw.send("GET", "/bkt/k")
    assert (anonymous.status, anonymous.code) == (403, "AccessDenied")
    override = raw.send("GET", "/bkt/k?response-content-type=a")
    assert (override.status, override.code) == (400, "InvalidRequest")
    unknown = RawClient(raw.url, access_key="nobody")
    wrong = RawClient(raw.url, secret_key="wrong")
    for client, code in ((unknown, "InvalidAccessKeyId"), (wrong, "SignatureDoesNotMatch")):
        by_header, by_url = client.signed("GET", "/bkt/k"), client.send("GET", client.presigned("GET", "/bkt/k"))
        assert (by_header.status, by_header.code) == (by_url.status, by_url.code) == (403, code)
        client.close()
    for age in (-920, 920):
        skewed = raw.signed("GET", "/bkt/k", b"", age)
        assert (skewed.status, skewed.code) == (403, "RequestTimeTooSkewed")


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Content_MD5": md5(b"other")}, 400, "BadDigest"),
        ({"Content_MD5": "not base64"}, 400, "InvalidDigest"),
        ({"Content_MD5": "MTIz"}, 400, "InvalidDigest"),
        ({"x_amz_checksum_crc32": "AAAAAA=="}, 400, "BadDigest"),
        ({"x_amz_checksum_crc32": "no"}, 400, "InvalidRequest"),
        ({"x_amz_checksum_crc32c": "AAAAAA=="}, 400, "BadDigest"),
        ({"x_amz_checksum_crc64nvme": "AAAAAAAAAAA="}, 400, "BadDigest"),
        ({"x_amz_checksum_sha1": base64.b64encode(bytes(20)).decode()}, 400, "BadDigest"),
        ({"x_amz_checksum_sha256": base64.b64encode(bytes(32)).decode()}, 400, "BadDigest"),
        ({"If_None_Match": "*"}, 412, "PreconditionFailed"),
        ({"If_None_Match": '"x"'}, 501, "NotImplemented"),
        ({"If_Match": '"stale"'}, 412, "PreconditionFailed"),
        ({"If_Match": "*"}, 501, "NotImplemented"),
        ({"x_amz_copy_source": "bkt/k"}, 400, "InvalidRequest"),
        ({"x_amz_copy_source": "bkt"}, 400, "InvalidArgument"),
        ({"x_amz_copy_source": "bkt/absent"}, 404, "NoSuchKey"),
    ],
)
def test_a_refused_put_says_why_and_stores_nothing(
    raw: RawClient, headers: dict[str, str], status: int, code: str
) -> None:
    answer = raw.signed("PUT", "/bkt/k", b"new", **headers)
    assert (answer.status, answer.code) == (status, code)
    assert raw.signed("GET", "/bkt/k").body == b"0123456789"


def test_a_body_other_than_the_signed_one_is_refused(raw: RawClient, monkeypatch: pytest.MonkeyPatch) -> None:
    send = raw.send
    monkeypatch.setattr(raw, "send", lambda method, target, body, **headers: send(method, target, b"evil", **headers))
    answer = raw.signed("PUT", "/bkt/k", b"good")
    assert (answer.status, answer.code) == (400, "XAmzContentSHA256Mismatch")
    monkeypatch.undo()
    assert raw.signed("GET", "/bkt/k").body == b"0123456789"


def test_checksum_tables_agree_with_published_check_values() -> None:
    expected = {"crc32": "cbf43926", "crc32c": "e3069283", "crc64nvme": "ae8b14860a799888"}
    assert {name: ALGORITHMS[name](b"123456789").hex() for name in expected} == expected


@pytest.mark.parametrize(
    ("given", "status", "content"),
    [
        ("bytes=0-0", 206, b"0"),
        ("bytes=9-", 206, b"9"),
        ("bytes=-3", 206, b"789"),
        ("bytes=-99", 206, b"0123456789"),
        ("bytes=5-99", 206, b"56789"),
        ("bytes=1-0", 200, b"0123456789"),
        ("bytes=10-", 416, None),
        ("bytes=-0", 416, None),
    ],
)
def test_ranges(raw: RawClient, given: str, status: int, content: bytes | None) -> None:
    answer = raw.signed("GET", "/bkt/k", Range=given)
    assert answer.status == status
    assert answer.code == ("InvalidRange" if content is None else "")
    assert content is None or answer.body == content


def test_conditional_reads(raw: RawClient) -> None:
    etag = raw.signed("HEAD", "/bkt/k").headers["etag"]
    date = raw.signed("HEAD", "/bkt/k").headers["last-modified"]
    old = "Thu, 01 Jan 2015 00:00:00 GMT"
    for headers, status in [
        ({"If_None_Match": etag}, 304),
        ({"If_None_Match": etag.strip('"')}, 304),
        ({"If_Match": etag}, 200),
        ({"If_Match": '"x"'}, 412),
        ({"If_Modified_Since": date}, 304),
        ({"If_Modified_Since": old}, 200),
        ({"If_Unmodified_Since": old}, 412),
        ({"If_Unmodified_Since": date}, 200),
        ({"If_Match": etag, "If_Unmodified_Since": old}, 200),
    ]:
        assert raw.signed("GET", "/bkt/k", **headers).status == status, headers


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"<Delete/>", "MalformedXML"),
        (b"<Delete><Object><Key>k</Key>", "MalformedXML"),
        (b"<Remove><Object><Key>k</Key></Object></Remove>", "MalformedXML"),
        (
            b"<Delete><Object><Key>k</Key></Object>" + b"<Object><Key>x</Key></Object>" * 1000 + b"</Delete>",
            "MalformedXML",
        ),
        (b"", "MalformedXML"),
    ],
)
def test_a_bad_batch_deletes_nothing(raw: RawClient, body: bytes, code: str) -> None:
    answer = raw.signed("POST", "/bkt?delete=", body, Content_MD5=md5(body))
    assert (answer.status, answer.code) == (400, code)
    assert raw.signed("HEAD", "/bkt/k").status == 200


def test_a_batch_without_digest_or_with_a_wrong_one_deletes_nothing(raw: RawClient) -> None:
    body = b"<Delete><Object><Key>k</Key></Object></Delete>"
    assert raw.signed("POST", "/bkt?delete=", body).code == "InvalidRequest"
    assert raw.signed("POST", "/bkt?delete=", body, Content_MD5=md5(b"")).code == "BadDigest"
    assert raw.signed("HEAD", "/bkt/k").status == 200
    quiet = body.replace(b"</Delete>", b"<Quiet>true</Quiet></Delete>")
    answer = raw.signed("POST", "/bkt?delete=", quiet, Content_MD5=md5(quiet))
    assert answer.status == 200
    assert b"<Deleted>" not in answer.body
    assert raw.signed("HEAD", "/bkt/k").status == 404


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("list-type=2&max-keys=-1", "InvalidArgument"),
        ("list-type=2&max-keys=x", "InvalidArgument"),
        ("list-type=2&continuation-token=made-up", "InvalidArgument"),
        ("list-type=2&continuation-token=", "InvalidArgument"),
        ("list-type=2&encoding-type=base64", "InvalidArgument"),
        ("list-type=2&max-keys=0", ""),
        ("list-type=2&max-keys=5000", ""),
    ],
)
def test_listing_arguments_are_checked(raw: RawClient, query: str, code: str) -> None:
    assert raw.signed("GET", f"/bkt?{query}").code == code


@pytest.mark.parametrize("sub", ["tagging", "retention", "legal-hold", "policy", "cors", "torrent", "encryption"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
def test_a_sub_resource_never_touches_the_object(raw: RawClient, sub: str, method: str) -> None:
    for target in ("/bkt/k", "/bkt"):
        answer = raw.signed(method, f"{target}?{sub}=", b"<x/>" if method in ("PUT", "POST") else b"")
        assert (answer.status, answer.code) == (501, "NotImplemented")
    assert raw.signed("GET", "/bkt/k").body == b"0123456789"


def test_multipart_refusals(raw: RawClient) -> None:
    upload = raw.signed("POST", "/bkt/m?uploads=").body.split(b"<UploadId>")[1].split(b"<")[0].decode()
    for number in (2, 1):
        assert raw.signed("PUT", f"/bkt/m?partNumber={number}&uploadId={upload}", b"tiny").status == 200
    etag = hashlib.md5(b"tiny").hexdigest()

    def complete(*parts: tuple[int, str]) -> str:
        inner = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{tag}</ETag></Part>" for n, tag in parts)
        body = f"<CompleteMultipartUpload>{inner}</CompleteMultipartUpload>".encode()
        return raw.signed("POST", f"/bkt/m?uploadId={upload}", body).code

    assert complete((1, etag), (2, etag)) == "EntityTooSmall"
    assert complete((2, etag), (1, etag)) == "InvalidPartOrder"
    assert complete((1, "0" * 32)) == "InvalidPart"
    assert complete((3, etag)) == "InvalidPart"
    assert complete() == "InvalidRequest"
    assert raw.signed("HEAD", "/bkt/m").status == 404
    assert raw.signed("DELETE", f"/bkt/m?uploadId={upload}").status == 204
    assert complete((1, etag)) == "NoSuchUpload"


def test_the_lifecycle_rule_with_prefix_and_filter_is_refused(raw: RawClient) -> None:
    rule = "<ID>x</ID><Status>Enabled</Status><Prefix>p/</Prefix><Filter><Prefix>q/</Prefix></Filter>"
    body = f"<LifecycleConfiguration><Rule>{rule}<Expiration><Days>30</Days></Expiration></Rule>"
    data = (body + "</LifecycleConfiguration>").encode()
    answer = raw.signed("PUT", "/bkt?lifecycle=", data, Content_MD5=md5(data))
    assert (answer.status, answer.code) == (400, "MalformedXML")
    assert raw.signed("GET", "/bkt?lifecycle=").code == "NoSuchLifecycleConfiguration"


def test_key_length_is_counted_in_bytes(raw: RawClient) -> None:
    for key, code in (("é" * 512, ""), ("é" * 512 + "a", "KeyTooLongError")):
        assert raw.signed("PUT", path("bkt", key), b"x").code == code


def test_a_body_that_breaks_off_stores_nothing(raw: RawClient) -> None:
    target = raw.presigned("PUT", "/bkt/k")
    host, port = raw.host.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        head = f"PUT {target} HTTP/1.1\r\nHost: {raw.host}\r\nContent-Length: 100\r\n\r\nshort"
        connection.sendall(head.encode())
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(100) == b""
    assert raw.signed("GET", "/bkt/k").body == b"0123456789"


def test_a_refused_put_leaves_the_connection_usable(raw: RawClient) -> None:
    before = raw.connection
    assert raw.send("PUT", "/bkt/k", b"x" * 500_000).status == 403
    sock = before.sock
    assert raw.signed("GET", "/bkt/k").body == b"0123456789"
    assert before.sock is sock


def test_expect_continue_is_answered(raw: RawClient) -> None:
    target = raw.presigned("PUT", "/bkt/e")
    host, port = raw.host.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        head = f"PUT {target} HTTP/1.1\r\nHost: {raw.host}\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"ok")
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_exactly_one_of_many_creators_wins(raw: RawClient) -> None:
    statuses: list[int] = []

    def create(number: int) -> None:
        client = RawClient(raw.url)
        statuses.append(client.signed("PUT", "/bkt/once", b"%d" % number, If_None_Match="*").status)
        client.close()

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [412] * 7


def test_chunk_signatures_are_verified(raw: RawClient) -> None:
    """The example of the streaming specification, signed with its own published signatures."""
    from tests.exemplar.payload import open_body
    from tests.exemplar.sigv4 import Signed, signing_key
    from tests.exemplar.types import Request, S3Error

    # https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
    proof = Signed(
        signature="4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
        amz_date="20130524T000000Z",
        scope="20130524/us-east-1/s3/aws4_request",
        payload_hash="STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        signing_key=signing_key("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "20130524", "us-east-1"),
    )
    signatures = [
        "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
        "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497",
        "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9",
    ]
    chunks = [b"a" * 65_536, b"a" * 1024, b""]
    framed = b"".join(
        b"%x;chunk-signature=%s\r\n%s\r\n" % (len(chunk), signature.encode(), chunk)
        for chunk, signature in zip(chunks, signatures, strict=True)
    )
    headers = (("x-amz-decoded-content-length", "66560"), ("content-encoding", "aws-chunked,gzip"))
    request = Request(method="PUT", target="/b/k", headers=headers, body=framed)
    opened = open_body(request, proof)
    assert opened.body == b"a" * 66_560
    assert opened.header("content-encoding") == "gzip"
    forged = Request(method="PUT", target="/b/k", headers=headers, body=framed.replace(b"aaaa\r\n0;", b"aaab\r\n0;"))
    with pytest.raises(S3Error) as refused:
        open_body(forged, proof)
    assert refused.value.code == "SignatureDoesNotMatch"


def test_fronts_answer_broken_heads_with_400(raw: RawClient) -> None:
    host, port = raw.host.split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"PUT /bkt/k HTTP/1.1\r\nHost: x\r\nContent-Length: 1x\r\n\r\n")
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        assert answer.status == 400
        assert b"<Code>" in answer.read()


def test_the_secret_shows_in_no_repr() -> None:
    server = Exemplar("ak", "very-secret")
    assert "very-secret" not in json.dumps([repr(server), repr(server.credentials), repr(server.__dict__)])
