"""The hook records all requests of an SDK, and the faults that it injects look to the SDK like the server's own."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest
from botocore.exceptions import ClientError, IncompleteReadError, ReadTimeoutError
from botocore.httpsession import URLLib3Session

from bucket_conformance.conformance.backend.sdk_hook import SdkHook, SdkInterference
from bucket_conformance.conformance.target import S3Endpoint
from bucket_conformance.conformance.wire.exchange import PREVIEW_BYTES, Exchange, Recorder
from bucket_conformance.conformance.wire.s3 import S3Wire
from bucket_conformance.conformance.wire.transport import HttpTransport
from bucket_conformance.reference_impl.s3_client import make_client
from tests.exemplar.server import Exemplar


class World:
    """A client with the hook, and a server whose state the test reads without it."""

    def __init__(self, url: str) -> None:
        self.recorder = Recorder()
        self.hook = SdkHook(self.recorder)
        client: Any = make_client(region="us-east-1", endpoint=url, access_key="exemplar", secret_key="exemplar-secret")
        client.meta.events.register("before-send.s3", self.hook.before_send)
        self.client = client
        endpoint = S3Endpoint(url=url, access_key="exemplar", secret_key="exemplar-secret")
        self.transport = HttpTransport(Recorder())
        self.wire = S3Wire(endpoint, "bkt", self.transport)
        self.fault = SdkInterference(self.hook, self.wire)
        assert self.wire.request("PUT").ok

    def put(self, *keys: str) -> None:
        for key in keys:
            assert self.wire.put(key, b"x").ok

    def there(self, *keys: str) -> list[bool]:
        return [self.wire.head(key).ok for key in keys]

    def delete(self, *keys: str, quiet: bool = False) -> Any:
        objects = [{"Key": key} for key in keys]
        return self.client.delete_objects(Bucket="bkt", Delete={"Objects": objects, "Quiet": quiet})

    def last(self) -> Exchange:
        return self.recorder.kept()[-1]

    def close(self) -> None:
        self.client.close()
        self.hook.close()
        self.transport.close()


@pytest.fixture(scope="module")
def shared() -> Iterator[World]:
    with Exemplar() as server:
        made = World(server.url)
        yield made
        made.close()


@pytest.fixture
def world(shared: World) -> World:
    shared.recorder.clear()
    return shared


def test_what_the_sdk_sends_and_gets_is_recorded(world: World) -> None:
    world.client.put_object(Bucket="bkt", Key="a b", Body=b"the body", ContentType="text/plain")
    put = world.last()
    assert (put.method, put.target.partition("?")[0], put.body, put.body_size) == ("PUT", "/bkt/a%20b", b"the body", 8)
    assert ("Content-Type", "text/plain") in list(put.headers)
    assert put.status == 200
    got = world.client.get_object(Bucket="bkt", Key="a b")["Body"].read()
    assert got == b"the body"
    assert (world.last().response_body, world.last().response_size) == (b"the body", 8)


def test_a_streamed_body_is_sent_whole_and_a_streamed_answer_previewed(world: World) -> None:
    data = bytes(range(256)) * 1000
    world.client.put_object(Bucket="bkt", Key="k", Body=io.BytesIO(data))
    assert world.last().body_size == len(data)
    body = world.client.get_object(Bucket="bkt", Key="k")["Body"]
    assert b"".join(body.iter_chunks(1000)) == data
    assert world.last().response_body == data[:PREVIEW_BYTES]
    assert world.last().response_size == len(data)


def test_an_answer_read_into_a_buffer_is_previewed_too(world: World) -> None:
    world.put("k")
    body = world.client.get_object(Bucket="bkt", Key="k")["Body"]
    buffer = bytearray(10)
    assert body.readinto(buffer) == 1
    assert world.last().response_body == b"x"


def test_an_error_of_the_server_reaches_the_sdk_and_the_recording(world: World) -> None:
    with pytest.raises(ClientError, match="NoSuchKey"):
        world.client.get_object(Bucket="bkt", Key="missing")
    assert world.last().status == 404
    assert b"NoSuchKey" in world.last().response_body


def test_refused_keys_stay_and_are_named_while_the_others_go(world: World) -> None:
    world.put("stay", "go", "a&b\r")
    with world.fault.refuse_deletes(["stay", "a&b\r"]):
        answer = world.delete("stay", "go", "a&b\r", "go")
    assert [(error["Key"], error["Code"]) for error in answer["Errors"]] == [
        ("stay", "AccessDenied"),
        ("a&b\r", "AccessDenied"),
    ]
    assert [item["Key"] for item in answer["Deleted"]] == ["go", "go"]
    assert world.there("stay", "go", "a&b\r") == [True, False, True]


def test_a_quiet_batch_gets_errors_only(world: World) -> None:
    world.put("stay", "go")
    with world.fault.refuse_deletes(["stay"]):
        answer = world.delete("stay", "go", quiet=True)
    assert "Deleted" not in answer
    assert [error["Key"] for error in answer["Errors"]] == ["stay"]


def test_a_single_delete_of_a_refused_key_is_refused(world: World) -> None:
    world.put("a b/é", "other")
    with world.fault.refuse_deletes(["a b/é"]):
        with pytest.raises(ClientError, match="AccessDenied"):
            world.client.delete_object(Bucket="bkt", Key="a b/é")
        world.client.delete_object(Bucket="bkt", Key="other")
    assert world.there("a b/é", "other") == [True, False]
    world.client.delete_object(Bucket="bkt", Key="a b/é")
    assert world.there("a b/é") == [False]


@pytest.mark.parametrize("how", ["503", "reset_before", "reset_after"])
def test_a_broken_delete_is_retried_by_the_sdk(world: World, how: str) -> None:
    world.put("k")
    with world.fault.fail_deletes(how, 1):
        world.delete("k")
    assert world.there("k") == [False]
    statuses = [exchange.status for exchange in world.recorder.kept()]
    assert statuses == [503 if how == "503" else None, 200]


@pytest.mark.parametrize(("how", "left"), [("503", True), ("reset_before", True), ("reset_after", False)])
def test_a_delete_that_always_breaks_fails_and_only_reset_after_has_acted(world: World, how: str, left: bool) -> None:
    world.put("k")
    with world.fault.fail_deletes(how, 99), pytest.raises(Exception, match=r"SlowDown|Connection was closed"):
        world.delete("k")
    assert world.there("k") == [left]


def test_a_real_timeout_is_distinguished_from_an_injected_one(world: World) -> None:
    world.put("k")
    with world.fault.fail_deletes("timeout", 99), pytest.raises(ReadTimeoutError):
        world.delete("k")
    assert not any(exchange.timed_out for exchange in world.recorder.kept())
    slow = ReadTimeoutError(endpoint_url="http://127.0.0.1")
    with mock.patch.object(URLLib3Session, "send", side_effect=slow), pytest.raises(ReadTimeoutError):
        world.delete("k")
    assert world.last().timed_out
    # The SDK tried four times; a fifth request is not sent before a check of the server.
    assert world.recorder.hopeless
    with pytest.raises(ReadTimeoutError):
        world.delete("k")
    world.recorder.hopeless = False


def test_other_requests_pass_while_deletes_are_broken(world: World) -> None:
    with world.fault.fail_deletes("503", 99):
        world.client.put_object(Bucket="bkt", Key="k", Body=b"x")
    assert world.there("k") == [True]


@pytest.mark.parametrize("after", [0, 5])
def test_a_cut_download_is_noticed_by_the_sdk_and_the_next_is_whole(world: World, after: int) -> None:
    world.client.put_object(Bucket="bkt", Key="k", Body=b"0123456789")
    with world.fault.truncate_downloads(after, 1):
        body = world.client.get_object(Bucket="bkt", Key="k")["Body"]
        with pytest.raises(IncompleteReadError):
            body.read()
        assert world.client.get_object(Bucket="bkt", Key="k")["Body"].read() == b"0123456789"


@pytest.mark.parametrize("permission", ["s3:PutObject", "s3:GetObject", "s3:DeleteObject", "s3:ListBucket"])
def test_a_denied_permission_refuses_its_operation_and_no_other(world: World, permission: str) -> None:
    world.put("k", "l")
    calls: dict[str, Callable[[], Any]] = {
        "s3:PutObject": lambda: world.client.put_object(Bucket="bkt", Key="n", Body=b"x"),
        "s3:GetObject": lambda: world.client.get_object(Bucket="bkt", Key="k"),
        "s3:ListBucket": lambda: world.client.list_objects_v2(Bucket="bkt"),
        "s3:DeleteObject": lambda: world.client.delete_object(Bucket="bkt", Key="l"),
    }
    with world.fault.deny(permission):
        for name, call in calls.items():
            if name == permission:
                with pytest.raises(ClientError, match="AccessDenied"):
                    call()
            else:
                call()


def test_an_injected_fault_ends_with_its_block(world: World) -> None:
    world.put("k")
    with world.fault.refuse_deletes(["k"]):
        pass
    assert "Errors" not in world.delete("k")
