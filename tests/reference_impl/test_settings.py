"""The settings: what is read, and how one error names everything wrong without a secret."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from bucket_conformance.reference_impl import settings
from bucket_conformance.reference_impl.cli import _parser
from bucket_conformance.reference_impl.s3 import S3Storage
from bucket_conformance.reference_impl.settings import SettingsError, load

SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
KEY_ID = "AKIAIOSFODNN7EXAMPLE"
AWS = {
    "AP_FILE_STORAGE_LOCATION": "s3",
    "AP_S3_BUCKET": "activepieces-files",
    "AP_S3_ACCESS_KEY_ID": KEY_ID,
    "AP_S3_SECRET_ACCESS_KEY": SECRET,
    "AP_S3_REGION": "us-east-1",
}


def problems(environ: dict[str, str]) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        load(environ)
    assert SECRET not in str(caught.value) + repr(caught.value)
    assert KEY_ID not in str(caught.value) + repr(caught.value)
    return {problem.name: str(problem) for problem in caught.value.problems}


def test_nothing_set_is_local_storage_in_the_cache_folder_with_urls_of_seven_days() -> None:
    read = load({})
    assert (read.location, read.local_root, read.url_life_s, read.delete_batch_size) == (
        "local",
        Path("/usr/src/app/cache"),
        604_800,
        100,
    )


def test_an_empty_value_counts_as_not_set() -> None:
    assert load(dict.fromkeys(settings.KNOWN, "")) == load({})


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"AP_S3_REGION": "auto", "AP_S3_ENDPOINT": "https://0a1b2c.eu.r2.cloudflarestorage.com"},
        {"AP_S3_REGION": "nyc3", "AP_S3_ENDPOINT": "https://nyc3.digitaloceanspaces.com/"},
        {"AP_S3_ENDPOINT": "http://minio:9000"},
        {"AP_S3_ENDPOINT": "http://[::1]:9000/cdn-cgi/local/r2/s3"},
        {"AP_S3_USE_SIGNED_URLS": "TRUE", "AP_FILE_STORAGE_LOCATION": "S3"},
        {"AP_S3_DELETE_BATCH_SIZE": "1000", "AP_FILE_URL_LIFE_SECONDS": "1"},
    ],
)
def test_the_documented_ways_to_configure_s3_are_accepted(more: dict[str, str]) -> None:
    read = load(AWS | more)
    assert read.location == "s3"
    assert read.endpoint == (more["AP_S3_ENDPOINT"].rstrip("/") if "AP_S3_ENDPOINT" in more else None)
    assert read.use_signed_urls is ("AP_S3_USE_SIGNED_URLS" in more)


def test_a_region_may_be_left_out_only_with_an_endpoint() -> None:
    without = {name: value for name, value in AWS.items() if name != "AP_S3_REGION"}
    assert load(without | {"AP_S3_ENDPOINT": "http://minio:9000"}).region == "us-east-1"
    assert list(problems(without)) == ["AP_S3_REGION"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("AP_FILE_STORAGE_LOCATION", "gcs"),
        ("AP_S3_BUCKET", "Upper"),
        ("AP_S3_BUCKET", "ab"),
        ("AP_S3_BUCKET", "a" * 64),
        ("AP_S3_BUCKET", "a..b"),
        ("AP_S3_BUCKET", "-ab"),
        ("AP_S3_BUCKET", "192.168.0.1"),
        ("AP_S3_BUCKET", "xn--bucket"),
        ("AP_S3_BUCKET", "bucket-s3alias"),
        ("AP_S3_BUCKET", "bücket"),
        ("AP_S3_REGION", "us east"),
        ("AP_S3_REGION", "https://nyc3.example"),
        ("AP_S3_REGION", "auto"),
        ("AP_S3_ENDPOINT", "minio:9000"),
        ("AP_S3_ENDPOINT", "ftp://minio"),
        ("AP_S3_ENDPOINT", "http://"),
        ("AP_S3_ENDPOINT", "http://minio:99999"),
        ("AP_S3_ENDPOINT", "https://<account_id>.r2.cloudflarestorage.com"),
        ("AP_S3_ENDPOINT", "http://minio:9000 "),
        ("AP_S3_PUBLIC_ENDPOINT", "cdn.example.org"),
        ("AP_S3_USE_SIGNED_URLS", "yes"),
        ("AP_S3_USE_IRSA", "1"),
        ("AP_S3_DELETE_BATCH_SIZE", "0"),
        ("AP_S3_DELETE_BATCH_SIZE", "1001"),
        ("AP_S3_DELETE_BATCH_SIZE", "１００"),
        ("AP_FILE_URL_LIFE_SECONDS", "604801"),
        ("AP_FILE_URL_LIFE_SECONDS", "-1"),
        ("AP_LOCAL_STORAGE_ROOT", "cache"),
        ("AP_LOCAL_STORAGE_ROOT", "/srv/../etc"),
    ],
)
def test_a_wrong_value_is_named_with_the_value_and_what_is_allowed(name: str, value: str) -> None:
    found = problems(AWS | {name: value})
    assert list(found) == [name]
    assert repr(value) in found[name]
    assert "allowed: " in found[name]


@pytest.mark.parametrize("value", [f" {SECRET}", f"{SECRET}\n", "ab cd", "ключ"])
@pytest.mark.parametrize("name", ["AP_S3_SECRET_ACCESS_KEY", "AP_S3_ACCESS_KEY_ID"])
def test_a_wrong_secret_is_reported_by_its_length_only(name: str, value: str) -> None:
    found = problems(AWS | {name: value})
    assert list(found) == [name]
    assert f"{len(value)} characters, not shown" in found[name]
    assert value.strip() not in found[name]


@pytest.mark.parametrize("value", [f"https://me:{SECRET}@minio:9000", f"https://minio/?X-Amz-Signature={SECRET}"])
def test_an_endpoint_that_holds_a_secret_is_refused_without_showing_it(value: str) -> None:
    assert list(problems(AWS | {"AP_S3_ENDPOINT": value})) == ["AP_S3_ENDPOINT"]


def test_everything_wrong_is_reported_at_once() -> None:
    found = problems(
        {"AP_FILE_STORAGE_LOCATION": "s3", "AP_S3_BUCKET": "X", "AP_S3_USE_SIGNED_URLS": "2", "AP_LOCAL_URL_BASE": "x"}
    )
    assert set(found) == {
        "AP_S3_BUCKET",
        "AP_S3_USE_SIGNED_URLS",
        "AP_LOCAL_URL_BASE",
        "AP_LOCAL_URL_SECRET",
        "AP_S3_REGION",
        "AP_S3_ACCESS_KEY_ID",
        "AP_S3_SECRET_ACCESS_KEY",
    }
    assert "is not set" in found["AP_S3_REGION"]


def test_variables_of_the_backend_that_is_not_chosen_are_checked_too() -> None:
    assert list(problems({"AP_S3_BUCKET": "Not A Bucket"})) == ["AP_S3_BUCKET"]
    assert list(problems({"AP_S3_ACCESS_KEY_ID": KEY_ID})) == ["AP_S3_SECRET_ACCESS_KEY"]


def test_irsa_needs_no_keys() -> None:
    read = load({"AP_FILE_STORAGE_LOCATION": "s3", "AP_S3_BUCKET": "abc", "AP_S3_REGION": "eu-west-1"} | IRSA)
    assert (read.use_irsa, read.access_key_id, read.secret_access_key) == (True, None, None)


IRSA = {"AP_S3_USE_IRSA": "True"}


def test_irsa_together_with_keys_is_refused_naming_both() -> None:
    found = problems(AWS | IRSA)
    assert set(found) == {"AP_S3_ACCESS_KEY_ID", "AP_S3_SECRET_ACCESS_KEY"}
    assert "AP_S3_USE_IRSA" in found["AP_S3_ACCESS_KEY_ID"]
    assert "AP_S3_SECRET_ACCESS_KEY" in found["AP_S3_ACCESS_KEY_ID"]


def test_a_short_url_secret_is_refused() -> None:
    local = {"AP_LOCAL_URL_BASE": "http://localhost:8080", "AP_LOCAL_URL_SECRET": "s" * 31}
    assert list(problems(local)) == ["AP_LOCAL_URL_SECRET"]
    assert load(local | {"AP_LOCAL_URL_SECRET": "s" * 32}).local_url_base == "http://localhost:8080"


def test_a_misspelt_variable_is_a_warning_and_a_strange_one_is_not() -> None:
    read = load(AWS | {"AP_S3_BUCKETS": "x", "AP_S3_ENDPIONT": "y", "AP_S3_TOTALLY_DIFFERENT_THING": "z"})
    assert len(read.warnings) == 2
    assert read.warnings[0].startswith("AP_S3_BUCKETS ")
    assert "AP_S3_BUCKET " in read.warnings[0]
    assert read.warnings[1].startswith("AP_S3_ENDPIONT ")
    assert "AP_S3_ENDPOINT " in read.warnings[1]


def test_the_repr_of_settings_shows_no_secret() -> None:
    read = load(AWS | {"AP_LOCAL_URL_BASE": "http://h", "AP_LOCAL_URL_SECRET": "t" * 40})
    assert SECRET not in repr(read)
    assert KEY_ID not in repr(read)
    assert "t" * 40 not in repr(read)
    assert dataclasses.asdict(read)["secret_access_key"] == SECRET


def test_s3_settings_open_an_s3_storage_whose_urls_use_the_public_endpoint_and_the_configured_life() -> None:
    read = load(
        AWS
        | {
            "AP_S3_ENDPOINT": "http://inside:9000",
            "AP_S3_PUBLIC_ENDPOINT": "https://files.example.org",
            "AP_FILE_URL_LIFE_SECONDS": "77",
        }
    )
    storage = settings.open_storage(read)
    assert isinstance(storage, S3Storage)
    url = storage.signed_url("project/p/FILE/f")
    assert url.startswith("https://files.example.org/activepieces-files/project/p/FILE/f?")
    assert "X-Amz-Expires=77&" in url
    assert SECRET not in repr(storage)


def test_local_settings_open_a_storage_below_the_root_that_signs_with_the_secret(tmp_path: Path) -> None:
    read = load(
        {
            "AP_LOCAL_STORAGE_ROOT": str(tmp_path),
            "AP_LOCAL_URL_BASE": "http://files.example.org:9400/files",
            "AP_LOCAL_URL_SECRET": "t" * 40,
            "AP_FILE_URL_LIFE_SECONDS": "77",
        }
    )
    storage = settings.open_storage(read)
    storage.upload("project/p/FILE/f", b"kept")
    assert (tmp_path / "project/p/FILE/f").read_bytes() == b"kept"
    assert storage.signed_url("project/p/FILE/f").startswith("http://files.example.org:9400/files/project/p/FILE/f?")
    assert "t" * 40 not in repr(storage)


@pytest.mark.parametrize("name", [name for name in AWS if name != "AP_S3_REGION"])
def test_space_around_a_value_is_named_as_the_reason_and_never_stripped(name: str) -> None:
    found = problems(AWS | {name: AWS[name] + " "})
    assert list(found) == [name]
    assert "without space or line breaks around it" in found[name]


@pytest.mark.parametrize("name", ["AP_S3_ENDPOINT", "AP_S3_PUBLIC_ENDPOINT"])
@pytest.mark.parametrize(
    "value",
    [
        "http://minio:9000/activepieces-files",
        "https://host/s3/activepieces-files/",
        "https://activepieces-files.s3.us-east-1.amazonaws.com",
        "https://activepieces-files.nyc3.digitaloceanspaces.com",
        "https://activepieces-files.s3.example.com",
    ],
)
def test_an_endpoint_that_holds_the_bucket_is_refused_naming_both_variables(name: str, value: str) -> None:
    found = problems(AWS | {name: value})
    assert list(found) == [name]
    assert "AP_S3_BUCKET" in found[name]
    assert "'activepieces-files'" in found[name]


@pytest.mark.parametrize(
    "value",
    ["http://activepieces-files:9000", "http://activepieces-files.storage.svc.cluster.local:9000", "http://h/x/s3"],
)
def test_a_host_that_only_begins_like_the_bucket_is_taken(value: str) -> None:
    assert load(AWS | {"AP_S3_ENDPOINT": value}).endpoint == value


def test_every_option_of_serve_is_documented_with_its_default() -> None:
    page = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = [line.split("|") for line in page.splitlines() if line.startswith("| `--")]
    documented = {row[1].strip(" `"): row[3].strip(" `") for row in rows}
    arguments = vars(_parser().parse_args(["serve"]))
    expected = {name: value for name, value in arguments.items() if name not in ("command", "run")}
    assert documented == {f"--{name.replace('_', '-')}": str(value) for name, value in expected.items()}
