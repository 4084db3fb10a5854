"""Finding providers: built in, in a TOML file, in a Python file; errors name the broken ones."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bucket_conformance import providers
from bucket_conformance.conformance.contract import Capability
from bucket_conformance.conformance.target import S3Endpoint
from bucket_conformance.providers import discover, expectations
from bucket_conformance.providers.launch.probe import ProbeResponse
from bucket_conformance.providers.launch.process import ProcessLaunch
from bucket_conformance.providers.provider import Kind, LaunchError, LaunchKind, ProviderError

SERVER = Path(__file__).with_name("tiny_server.py")


def file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_every_file_of_the_package_but_two_is_a_provider_named_like_it() -> None:
    folder = Path(providers.__file__).parent
    stems = {path.stem for path in folder.glob("*.py")} - {"__init__", "provider", "declared_file"}
    # "local_disk" is older than the rule that ids have hyphens.
    names = {stem if stem == "local_disk" else stem.replace("_", "-") for stem in stems}
    found = discover()
    assert set(found) >= names
    assert {"local_disk", "seaweedfs", "moto", "minio", "remote"} <= set(found)
    assert list(found) == sorted(found)


def test_every_declared_limit_has_the_address_of_its_source() -> None:
    for provider in discover().values():
        assert provider.launches
        for limit in provider.limits.values():
            assert limit.source.startswith("https://")
            assert limit.value > 0


def test_a_mock_is_never_called_a_server() -> None:
    found = discover()
    assert found["moto"].kind is Kind.MOCK
    assert found["localstack"].kind is Kind.SIMULATOR
    assert Capability.DURABLE not in found["moto"].capabilities


def test_a_python_file_adds_a_provider(tmp_path: Path) -> None:
    path = file(
        tmp_path,
        "mine.py",
        "import dataclasses\nfrom bucket_conformance.providers.local_disk import PROVIDER as base\n"
        "PROVIDER = dataclasses.replace(base, id='mine')\n",
    )
    assert discover([path])["mine"].title == "Local disk"


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.py", "1/0", "cannot be run: ZeroDivisionError"),
        ("a.py", "x = 1", r"expected PROVIDER = Provider\(...\), found NoneType"),
        (
            "a.py",
            "from bucket_conformance.providers.moto import PROVIDER",
            "the id 'moto' is taken by bucket_conformance.providers.moto",
        ),
        ("a.json", "{}", r"ends in .toml or .py, not '.json'"),
        ("a.toml", "id = [", "not a readable TOML file"),
        ("a.toml", 'title = "T"', "id: None is not given"),
        ("a.toml", 'id = "A B"\ntitle = "T"', "id: 'A B' is not lower-case letters"),
        ("a.toml", 'id = "a"\ntitle = "T"', "give either endpoint"),
        ("a.toml", 'id = "a"\ntitle = "T"\nendpoint = "x"\ncommand = ["y"]', "give either endpoint"),
        ("a.toml", 'id = "a"\ntitle = "T"\nendpoint = "x"\nport = 1', "unknown key 'port'"),
        ("a.toml", 'id = "a"\ntitle = "T"\ncommand = "x"', "command: 'x' is not a list of texts"),
        ("a.toml", 'id = "a"\ntitle = "T"\ncommand = ["x", "{prot}"]', r"\{prot\} is unknown; known are access_key"),
        ("a.toml", 'id = "a"\ntitle = "T"\ncommand = ["x"]\nports = 0', "ports: 0 is not a whole number"),
        ("a.toml", 'id = "a"\ntitle = "T"\ncommand = ["x"]\naccess_key = "k"', "access_key and secret_key together"),
        ("a.toml", 'id = "a"\ntitle = "T"\nendpoint = "x"\ncapabilities = ["fly"]', "'fly' is none of"),
        ("a.toml", 'id = "a"\ntitle = "T"\nendpoint = "x"\nkind = "toy"', "kind: 'toy' is not one of server"),
        ("a.toml", 'id = "a"\ntitle = "T"\nendpoint = "x"\n[limits]\nbatch_keys = 5', "limits: .* is not a table"),
        ("a.toml", 'id = "a"\ntitle = "T"\ncommand = ["x"]\nhttps = true', "https: True is not a table with arguments"),
        (
            "a.toml",
            'id = "a"\ntitle = "T"\ncommand = ["x"]\n[https]\ncert = "y"',
            r"unknown key 'https\.cert'; known are arguments, environment",
        ),
        (
            "a.toml",
            'id = "a"\ntitle = "T"\ncommand = ["x"]\n[https]\nenvironment = { C = "{cert}" }',
            r"\{cert\} is unknown; known are access_key, certificate, certificate_key",
        ),
        (
            "a.toml",
            'id = "a"\ntitle = "T"\ncommand = ["x", "{certificate}"]\n[https]\narguments = ["y"]',
            r"\{certificate\} is unknown; known are access_key, data",
        ),
        (
            "a.toml",
            'id = "a"\ntitle = "T"\nendpoint = "x"\nexpectations = "k.toml"',
            "expectations: 'k.toml' is not the",
        ),
    ],
)
def test_a_broken_file_is_named_with_what_is_wrong(tmp_path: Path, name: str, text: str, says: str) -> None:
    path = file(tmp_path, name, text)
    with pytest.raises(ProviderError, match=says) as caught:
        discover([path])
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProviderError, match=r"absent\.toml: no such file"):
        discover([tmp_path / "absent.toml"])


def test_a_declared_secret_never_shows_in_an_error(tmp_path: Path) -> None:
    path = file(tmp_path, "a.toml", 'id = "a"\ntitle = "T"\ncommand = ["x"]\nsecret_key = ["the-secret"]')
    with pytest.raises(ProviderError) as caught:
        discover([path])
    assert "the-secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("says", "version"), [("nginx/1.2", "nginx/1.2"), ("AmazonS3", "unknown"), ("mine", "unknown"), ("", "unknown")]
)
def test_a_server_header_without_a_number_is_no_version(tmp_path: Path, says: str, version: str) -> None:
    path = file(tmp_path, "a.toml", 'id = "a"\ntitle = "T"\ncommand = ["x"]')
    launch = discover([path])["a"].launches[0]
    assert isinstance(launch, ProcessLaunch)
    assert launch.version(ProbeResponse(status=200, server=says)) == version


def test_a_program_declared_in_toml_is_started_and_answers(tmp_path: Path, state: Path) -> None:
    path = file(
        tmp_path,
        "tiny.toml",
        f'id = "tiny"\ntitle = "Tiny"\ncommand = ["{sys.executable}", "{SERVER}", "good", "{{port1}}", "{{data}}"]\n'
        'ports = 2\nversion = "1.2.3"\n[limits]\nbatch_keys = { value = 9, source = "https://example.org" }\n',
    )
    provider = discover([path])["tiny"]
    assert provider.limits["batch_keys"].value == 9
    with discover([path])["tiny"].choose().start(lambda line: None) as running:
        assert running.version == "1.2.3"
        assert isinstance(running.target, S3Endpoint)


def test_known_deviations_are_next_to_the_provider_file_or_with_the_built_in_providers(tmp_path: Path) -> None:
    known = file(tmp_path, "known.toml", "")
    path = file(tmp_path, "a.toml", 'id = "a"\ntitle = "T"\nendpoint = "x"\nexpectations = "known.toml"')
    assert expectations.of(discover([path])["a"]) == known
    built_in = expectations.of(discover()["moto"])
    assert built_in is not None
    assert built_in.name == "moto.toml"
    assert expectations.of(discover()["local_disk"]) is None


def test_a_missing_program_is_reported_before_the_start(tmp_path: Path) -> None:
    path = file(tmp_path, "a.toml", 'id = "a"\ntitle = "T"\ncommand = ["no-such-program"]')
    provider = discover([path])["a"]
    assert "no-such-program is not on the PATH" in provider.availability().missing
    with pytest.raises(LaunchError, match="no-such-program"):
        provider.choose()


def test_a_launch_that_a_provider_lacks_is_refused_with_those_it_has() -> None:
    with pytest.raises(LaunchError, match="moto has no launch 'container'; it has: process"):
        discover()["moto"].choose(LaunchKind.CONTAINER)


def test_a_chosen_kind_is_given_even_where_it_is_not_ready() -> None:
    assert discover()["minio"].choose(LaunchKind.CONTAINER).kind is LaunchKind.CONTAINER
