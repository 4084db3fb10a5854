"""Providers declared in a TOML file: a remote endpoint, or a user's own program.

Common keys: ``id`` (lower-case letters, digits, ``_`` and ``-``) and ``title``; optional ``homepage``, ``licence``,
``kind`` (server, service, simulator, mock), ``capabilities`` (a list; without it those that every S3 endpoint claims),
``notes``, ``expectations`` (a file of known deviations, its path relative to this file), and a table ``[limits]`` with
``name = { value = 1000, source = "https://…" }``.

A remote endpoint::

    id = "acme"
    title = "Acme storage"
    endpoint = "https://s3.{region}.acme.example"
    region = "eu-1"
    addressing = "path"                      # or "virtual"
    access_key_variable = "ACME_KEY"         # names of environment variables, never the values; without them
    secret_key_variable = "ACME_SECRET"      # CONFORMANCE_ACME_ACCESS_KEY_ID and its siblings are read
    session_token_variable = "ACME_TOKEN"
    bucket_variable = "ACME_BUCKET"

A program, started anew for each run on free ports of the loopback. In ``command`` and ``environment`` the words
``{port}`` (further ones ``{port2}``, ``{port3}``, …), ``{data}``, ``{work}``, ``{access_key}``, ``{secret_key}`` are
filled in; a program that does not let us choose credentials names its own in ``access_key`` and ``secret_key``::

    id = "mine"
    title = "My server"
    command = ["my-server", "--listen", "127.0.0.1:{port}", "--data", "{data}"]
    environment = { MY_ACCESS_KEY = "{access_key}", MY_SECRET_KEY = "{secret_key}" }
    ports = 1
    region = "us-east-1"
    version = "1.2.3"                        # without it the Server header, where it has a number

    [https]                                  # what makes it serve https in place of http, for ``--tls``
    arguments = ["--cert", "{certificate}", "--key", "{certificate_key}"]
    environment = { MY_TLS = "on" }

There ``{certificate}`` and ``{certificate_key}`` are files in PEM form, and ``{keystore}`` is both in PKCS#12 under the
password "conformance".
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from bucket_conformance.conformance.contract import Capability
from bucket_conformance.conformance.target import Addressing
from bucket_conformance.conformance.wire.safe_toml import TomlError, read_toml
from bucket_conformance.providers.launch.probe import ProbeResponse
from bucket_conformance.providers.launch.process import Command, LaunchContext, ProcessLaunch
from bucket_conformance.providers.launch.remote import RemoteLaunch, Variables
from bucket_conformance.providers.provider import Availability, Declared, Kind, Launch, Provider, ProviderError

_T = TypeVar("_T")
_ID: Final = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_PLACEHOLDER: Final = re.compile(r"\{([a-z_]+\d*)\}")
_COMMON: Final = frozenset(
    {"id", "title", "homepage", "licence", "kind", "capabilities", "notes", "limits", "region", "expectations"}
)
_REMOTE: Final = frozenset(
    {
        "endpoint",
        "addressing",
        "access_key_variable",
        "secret_key_variable",
        "session_token_variable",
        "bucket_variable",
    }
)
_PROCESS: Final = frozenset({"command", "environment", "ports", "version", "access_key", "secret_key", "https"})
_CERTIFICATE_WORDS: Final = frozenset({"certificate", "certificate_key", "keystore"})
_MOST_PORTS: Final = 16

S3_CAPABILITIES: Final = frozenset(
    {
        Capability.WIRE,
        Capability.SIGNED_URLS,
        Capability.SIGNED_UPLOADS,
        Capability.OWN_VIEW,
        Capability.FAULT_INJECTION,
        Capability.MULTIPART,
        Capability.COPY,
    }
)
"""The capabilities that every service which calls itself S3-compatible is assumed to claim."""


def read_provider(file: Path) -> Provider:
    """Return the provider that ``file`` declares. Raises ``ProviderError`` naming the file and the offending key."""
    try:
        table = read_toml(file)
    except (OSError, TomlError) as error:
        raise ProviderError(f"{file}: not a readable TOML file: {error}") from error
    reader = _Reader(file=file, table=table)
    provider_id = reader.text("id")
    if not _ID.fullmatch(provider_id):
        raise reader.error("id", "lower-case letters, digits, _ and -, starting with a letter, at most 40")
    title = reader.text("title")
    is_remote, is_process = "endpoint" in table, "command" in table
    if is_remote == is_process:
        raise ProviderError(f"{file}: give either endpoint (a server elsewhere) or command (a program to start)")
    reader.refuse_others(_COMMON | (_REMOTE if is_remote else _PROCESS))
    return Provider(
        id=provider_id,
        title=title,
        homepage=reader.text("homepage", ""),
        licence=reader.text("licence", "unknown"),
        kind=reader.member("kind", Kind, Kind.SERVICE if is_remote else Kind.SERVER),
        launches=(_remote(reader, provider_id, title) if is_remote else _process(reader, provider_id, title),),
        capabilities=reader.capabilities(),
        limits=reader.limits(),
        notes=reader.texts("notes"),
        expectations=reader.file_beside("expectations"),
    )


def _remote(reader: _Reader, provider_id: str, title: str) -> Launch:
    usual = Variables.of(provider_id)
    addressing = reader.text("addressing", "path")
    if addressing not in ("path", "virtual"):
        raise reader.error("addressing", '"path" or "virtual"')
    return RemoteLaunch(
        title=title,
        endpoint=reader.text("endpoint"),
        region=reader.text("region", "us-east-1"),
        addressing=cast(Addressing, addressing),
        variables=Variables(
            access_key=reader.text("access_key_variable", usual.access_key),
            secret_key=reader.text("secret_key_variable", usual.secret_key),
            session_token=reader.text("session_token_variable", usual.session_token),
            bucket=reader.text("bucket_variable", usual.bucket),
            endpoint=usual.endpoint,
            region=usual.region,
        ),
    )


def _process(reader: _Reader, provider_id: str, title: str) -> Launch:
    plain = _Start(argv=reader.texts("command"), env=reader.variables("environment"))
    over_https = _https(reader)
    ports = reader.table.get("ports", 1)
    if isinstance(ports, bool) or not isinstance(ports, int) or not 1 <= ports <= _MOST_PORTS:
        raise reader.error("ports", f"a whole number from 1 to {_MOST_PORTS}")
    if not plain.argv:
        raise reader.error("command", "a list of texts: the program and its arguments")
    words = {"port", "data", "work", "access_key", "secret_key", *(f"port{n}" for n in range(1, ports + 1))}
    reader.refuse_unknown_words(plain.texts, words)
    reader.refuse_unknown_words(over_https.texts if over_https else (), words | _CERTIFICATE_WORDS)
    fixed = reader.text("access_key", ""), reader.text("secret_key", "")
    if bool(fixed[0]) != bool(fixed[1]):
        raise ProviderError(f"{reader.file}: give access_key and secret_key together, or neither")
    declared_version = reader.text("version", "")

    def command(context: LaunchContext) -> Command:
        values = _values(context)

        def fill(text: str) -> str:
            return _PLACEHOLDER.sub(lambda found: values[found[1]], text)

        more = over_https if context.tls and over_https else _Start()
        return Command(
            argv=tuple(fill(text) for text in (*plain.argv, *more.argv)),
            env={name: fill(text) for name, text in {**plain.env, **more.env}.items()},
        )

    def version(response: ProbeResponse) -> str:
        # Many servers send AmazonS3 in this header, which is not a version.
        says = response.server if any(sign.isdigit() for sign in response.server.replace("S3", "")) else ""
        return declared_version or says or "unknown"

    return _OwnProgram(
        name=provider_id,
        title=title,
        command=command,
        version=version,
        ports=ports,
        region=reader.text("region", "us-east-1"),
        fixed_credentials=fixed if all(fixed) else None,
        ready=lambda status: status < 500,
        https=over_https is not None,
        no_https="its file has no table [https] that says how",
        program=plain.argv[0],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Start:
    """Arguments and variables whose placeholders are not filled in yet."""

    argv: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def texts(self) -> tuple[str, ...]:
        return (*self.argv, *self.env.values())


def _https(reader: _Reader) -> _Start | None:
    """Return what is added to the command for a start over https; ``None`` if the file does not say."""
    if "https" not in reader.table:
        return None
    table = reader.table["https"]
    if not isinstance(table, dict) or not table:
        raise reader.error("https", "a table with arguments, environment, or both")
    inner = _Reader(file=reader.file, table=table, within="https.")
    inner.refuse_others(frozenset({"arguments", "environment"}))
    return _Start(argv=inner.texts("arguments"), env=inner.variables("environment"))


def _values(context: LaunchContext) -> dict[str, str]:
    """Return the value of each placeholder of a command in this launch context."""
    values = {
        "port": str(context.ports[0]),
        "data": str(context.data),
        "work": str(context.work),
        "access_key": context.access_key,
        "secret_key": context.secret_key,
        **{f"port{n}": str(port) for n, port in enumerate(context.ports, start=1)},
    }
    if context.tls is not None:
        values["certificate"] = str(context.tls.certificate)
        values["certificate_key"] = str(context.tls.key)
        values["keystore"] = str(context.tls.keystore)
    return values


@dataclass(frozen=True, slots=True, kw_only=True)
class _OwnProgram(ProcessLaunch):
    """A program that the user installs; only its presence can be checked."""

    program: str

    def availability(self) -> Availability:
        if shutil.which(self.program):
            return ProcessLaunch.availability(self)
        return Availability(
            ready=False,
            missing=f"the program {self.program} is not on the PATH",
            how="install it, or give its path in the provider file",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reader:
    """Reads typed values; its errors name the file, the key and the value."""

    file: Path
    table: Mapping[str, Any]
    within: str = ""
    """The name of the table in the file, followed by a dot."""

    def error(self, key: str, expected: str) -> ProviderError:
        # A value under a wrong key may be a secret, so the value of a credential is never repeated.
        shown = "the value" if "key" in key else repr(self.table.get(key))
        return ProviderError(f"{self.file}: {self.within}{key}: {shown} is not {expected}")

    def text(self, key: str, default: str | None = None) -> str:
        if key not in self.table and default is not None:
            return default
        value = self.table.get(key)
        if not isinstance(value, str) or (not value and default is None):
            raise self.error(key, "a text" if key in self.table else "given, and must be")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        value = self.table.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.error(key, "a list of texts")
        return tuple(value)

    def variables(self, key: str) -> Mapping[str, str]:
        value = self.table.get(key, {})
        if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
            raise self.error(key, "a table of texts")
        return value

    def member(self, key: str, convert: Callable[[str], _T], default: _T) -> _T:
        if key not in self.table:
            return default
        try:
            return convert(self.text(key))
        except ValueError:
            raise self.error(key, f"one of {', '.join(Kind)}") from None

    def capabilities(self) -> frozenset[Capability]:
        if "capabilities" not in self.table:
            return S3_CAPABILITIES
        names = self.texts("capabilities")
        unknown = [name for name in names if name not in set(Capability)]
        if unknown:
            raise ProviderError(f"{self.file}: capabilities: {unknown[0]!r} is none of {', '.join(Capability)}")
        return frozenset(Capability(name) for name in names)

    def limits(self) -> Mapping[str, Declared]:
        value = self.table.get("limits", {})
        found: dict[str, Declared] = {}
        for name, entry in value.items() if isinstance(value, dict) else [("", None)]:
            if (
                not isinstance(entry, dict)
                or set(entry) != {"value", "source"}
                or not isinstance(entry["value"], int)
                or not isinstance(entry["source"], str)
            ):
                raise self.error("limits", 'a table of name = { value = 1000, source = "https://…" }')
            found[name] = Declared(value=entry["value"], source=entry["source"])
        return found

    def file_beside(self, key: str) -> Path | None:
        if key not in self.table:
            return None
        path = self.file.parent / self.text(key)
        if not path.is_file():
            raise self.error(key, f"the path of a file, seen from {self.file.parent}")
        return path

    def refuse_others(self, known: frozenset[str]) -> None:
        others = sorted(set(self.table) - known)
        if others:
            known_keys = ", ".join(sorted(known))
            raise ProviderError(f"{self.file}: unknown key {self.within + others[0]!r}; known are {known_keys}")

    def refuse_unknown_words(self, texts: Iterable[str], known: Collection[str]) -> None:
        for text in texts:
            for word in _PLACEHOLDER.findall(text):
                if word not in known:
                    raise ProviderError(f"{self.file}: {{{word}}} is unknown; known are {', '.join(sorted(known))}")
