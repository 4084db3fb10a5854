"""OpenStack Swift with its S3 middleware (s3api): proxy, account, container and object server on one machine."""

from __future__ import annotations

import os
import pwd
import secrets
from typing import Final

from bucket_conformance.conformance.contract import Capability
from bucket_conformance.providers.launch.composite_server import Daemon, Once, several
from bucket_conformance.providers.launch.environment import Environment
from bucket_conformance.providers.launch.probe import ProbeResponse
from bucket_conformance.providers.launch.process import Command, LaunchContext, ProcessLaunch, random_credentials
from bucket_conformance.providers.launch.recipes import CompositeRecipe, Debian, PyPI
from bucket_conformance.providers.provider import Declared, Kind, Provider

_ENVIRONMENT = Environment(
    name="swift",
    title="OpenStack Swift",
    recipe=CompositeRecipe(
        parts=(
            PyPI(requirements=("swift==2.38.3", "setuptools<81")),
            Debian(packages=("memcached",), programs=("memcached",)),
        )
    ),
    checks=("python", "memcached"),
)
_SAMPLE: Final = "https://github.com/openstack/swift/blob/2.38.3/etc"
_STORES: Final = ("account", "container", "object")
_RUNNER: Final = '''\
"""One part of Swift, with its swift.conf read from the run folder instead of /etc/swift."""
import importlib
import os
import sys

import swift.common.utils as utils

folder, part = sys.argv[1:3]
utils.SWIFT_CONF_FILE = os.path.join(folder, "swift.conf")
if part == "rings":
    from swift.common.ring import RingBuilder

    for name, port in zip(("account", "container", "object"), sys.argv[3:], strict=True):
        place = {"ip": "127.0.0.1", "port": int(port), "replication_ip": "127.0.0.1", "replication_port": int(port)}
        ring = RingBuilder(2, 1, 0)
        ring.add_dev({"id": 0, "region": 1, "zone": 1, "device": "d1", "weight": 1.0, "meta": "", **place})
        ring.rebalance()
        ring.get_ring().save(os.path.join(folder, name + ".ring.gz"))
else:
    sys.argv = ["swift-" + part, os.path.join(folder, part + ".conf"), "-v"]
    sys.exit(importlib.import_module("swift.%s.server" % {"object": "obj"}.get(part, part)).main())
'''
_STORE: Final = """\
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {work}
devices = {data}
mount_check = false
fallocate_reserve = 0
disable_fallocate = true
log_level = WARNING
[pipeline:main]
pipeline = {part}-server
[app:{part}-server]
use = egg:swift#{part}
"""
_PIPELINE: Final = (
    *("catch_errors", "gatekeeper", "healthcheck", "cache", "listing_formats", "bulk", "s3api", "tempauth"),
    *("copy", "slo", "dlo", "versioned_writes", "symlink"),
)
_PROXY: Final = """\
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {work}
log_level = WARNING
{certificate}
[pipeline:main]
pipeline = {pipeline} proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
"""
_OPTIONS: Final = {
    "cache": "memcache_servers = 127.0.0.1:{memcached}",
    "s3api": "location = us-east-1\ns3_acl = false\ndns_compliant_bucket_names = true",
    "tempauth": "user_test_{access_key} = {secret_key} .admin",
    "versioned_writes": "allow_object_versioning = true",
}


def _command(context: LaunchContext) -> Command:
    port, *stores, memcached = context.ports
    (context.data / "d1").mkdir()
    certificate = f"cert_file = {context.tls.certificate}\nkey_file = {context.tls.key}" if context.tls else ""
    user = _user()
    values = {
        "port": port,
        "memcached": memcached,
        "user": user,
        "work": context.work,
        "pipeline": " ".join(_PIPELINE),
        "access_key": context.access_key.partition(":")[2],
        "secret_key": context.secret_key,
        "certificate": certificate,
    }
    filters = "".join(
        f"[filter:{name}]\nuse = egg:swift#{'memcache' if name == 'cache' else name}\n{_OPTIONS.get(name, '')}\n"
        for name in _PIPELINE
    )
    files = {
        "run.py": _RUNNER,
        "swift.conf": f"[swift-hash]\nswift_hash_path_suffix = {secrets.token_hex(8)}\n"
        "[storage-policy:0]\nname = gold\ndefault = yes\n",
        "proxy.conf": (_PROXY + filters).format(**values),
    }
    for store, at in zip(_STORES, stores, strict=True):
        files[f"{store}.conf"] = _STORE.format(part=store, port=at, user=user, work=context.work, data=context.data)
    for name, text in files.items():
        (context.work / name).write_text(text, encoding="utf-8")

    def part(name: str, *more: str) -> tuple[str, ...]:
        python = str(_ENVIRONMENT.program("python"))
        return (python, str(context.work / "run.py"), str(context.work), name, *more)

    cache = (str(_ENVIRONMENT.program("memcached")), "-u", user, "-l", "127.0.0.1", "-p", str(memcached), "-m", "32")
    return several(
        context,
        (
            Once(once="rings", argv=part("rings", *map(str, stores))),
            Daemon(argv=cache),
            *(Daemon(argv=part(name)) for name in _STORES),
            Daemon(argv=part("proxy"), port=port),
        ),
    )


def _user() -> str:
    return pwd.getpwuid(os.getuid()).pw_name


def _keys() -> tuple[str, str]:
    """Return an access key in the form of tempauth, ``account:user``."""
    access_key, secret_key = random_credentials()
    return f"test:{access_key}", secret_key


def _version(_: ProbeResponse) -> str:
    return _ENVIRONMENT.distribution_version("swift")


PROVIDER = Provider(
    id="swift",
    title="OpenStack Swift (s3api)",
    homepage="https://docs.openstack.org/swift/latest/s3_compat.html",
    licence="Apache-2.0",
    kind=Kind.SERVER,
    launches=(
        ProcessLaunch(
            name="swift",
            title="OpenStack Swift (s3api)",
            environment=_ENVIRONMENT,
            command=_command,
            version=_version,
            ports=5,
            https=True,
            make_credentials=_keys,
            deadline_s=240.0,
        ),
    ),
    capabilities=frozenset(
        {
            Capability.WIRE,
            Capability.SIGNED_URLS,
            Capability.SIGNED_UPLOADS,
            Capability.OWN_VIEW,
            Capability.FAULT_INJECTION,
            Capability.MULTIPART,
            Capability.CONDITIONAL_PUT,
            Capability.VERSIONING,
            Capability.COPY,
            Capability.DURABLE,
        }
    ),
    limits={
        "batch_keys": Declared(value=1000, source=f"{_SAMPLE}/proxy-server.conf-sample"),
        "key_bytes": Declared(value=1024, source=f"{_SAMPLE}/swift.conf-sample"),
        "page_keys": Declared(value=1000, source=f"{_SAMPLE}/proxy-server.conf-sample"),
        "part_min_bytes": Declared(value=5 * 1024**2, source=f"{_SAMPLE}/proxy-server.conf-sample"),
        "parts": Declared(value=1000, source=f"{_SAMPLE}/proxy-server.conf-sample"),
    },
    slow=True,
    notes=(
        "One replica on one disk: a throw-away cluster. With more replicas listings are eventually consistent.",
        "If-None-Match: * is documented for creation, If-Match is not: https://docs.openstack.org/api-ref/object-store/",
        "An upload is synced to disk before it is answered: "
        "https://github.com/openstack/swift/blob/2.38.3/swift/obj/diskfile.py",
        "Access keys are ACCOUNT:USER.",
        "The folder must support extended attributes.",
    ),
)
