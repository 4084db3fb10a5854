"""Ceph's RADOS Gateway, which DigitalOcean Spaces is built on: monitor, object store and gateway on one machine."""

from __future__ import annotations

import re
import subprocess
import uuid
from typing import Final

from bucket_conformance.conformance.contract import Capability
from bucket_conformance.providers.launch.composite_server import Daemon, Once, several
from bucket_conformance.providers.launch.environment import Environment
from bucket_conformance.providers.launch.probe import ProbeResponse
from bucket_conformance.providers.launch.process import Command, LaunchContext, ProcessLaunch
from bucket_conformance.providers.launch.recipes import Debian
from bucket_conformance.providers.provider import Declared, Kind, Provider

_PROGRAMS: Final = ("ceph-mon", "ceph-osd", "radosgw", "radosgw-admin", "ceph", "monmaptool")
_ENVIRONMENT = Environment(
    name="ceph-rgw",
    title="Ceph RADOS Gateway",
    recipe=Debian(packages=("ceph-mon", "ceph-osd", "radosgw"), programs=_PROGRAMS),
    checks=_PROGRAMS,
)
_OPTIONS: Final = "https://github.com/ceph/ceph/blob/v16.2.15/src/common/options.cc"
"""The default limits; ``radosgw --show-config`` prints those of this installation."""
_CONFIGURATION: Final = """\
[global]
fsid = {fsid}
mon host = v2:127.0.0.1:{mon}/0
mon initial members = a
ms bind msgr1 = false
# Between the ports that we reserve for servers and those of outgoing connections; the store takes free ones there.
ms bind port min = 32001
ms bind port max = 32767
public addr = 127.0.0.1
cluster addr = 127.0.0.1
auth cluster required = none
auth service required = none
auth client required = none
# Without cephx the gateway hangs in the secure mode that it would choose.
ms mon client mode = crc
keyring = {work}/keyring
run dir = {work}
pid file = {work}/$name.pid
admin socket = {work}/$name.asok
crash dir = {work}
log file = {work}/$name.log
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 1
osd pool default pgp num = 1
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
[mon]
mon data = {data}/mon
mon cluster log to file = false
mon data avail warn = 1
mon data avail crit = 1
mon allow pool size one = true
mon max pg per osd = 1000
mon osd reporter subtree level = osd
mon mgr beacon grace = 999999
paxos propose interval = 0.02
paxos min wait = 0.01
[osd]
osd data = {data}/osd
osd objectstore = bluestore
osd crush initial weight = 1
bluestore block size = 10737418240
bluestore fsck on mount = false
osd memory target = 1073741824
[client]
rgw data = {work}
rgw rados pool pg num min = 1
# tcp_nodelay: without it every answer waits some 40 ms for an acknowledgement.
rgw frontends = beast {listen} tcp_nodelay=1
rgw enable usage log = false
rgw gc max objs = 1
rgw lc max objs = 1
rgw num rados handles = 1
rgw thread pool size = 32
rgw crypt require ssl = false
"""


def _command(context: LaunchContext) -> Command:
    port, mon = context.ports
    cluster, disk = str(uuid.uuid4()), str(uuid.uuid4())
    for folder in ("mon", "osd"):
        (context.data / folder).mkdir()
    config = context.work / "ceph.conf"
    listen = f"endpoint={context.address}"
    if tls := context.tls:
        listen = f"ssl_endpoint={context.address} ssl_certificate={tls.certificate} ssl_private_key={tls.key}"
    text = _CONFIGURATION.format(fsid=cluster, mon=mon, listen=listen, work=context.work, data=context.data)
    config.write_text(text, encoding="utf-8")

    def program(name: str, *options: str) -> tuple[str, ...]:
        return (str(_ENVIRONMENT.program(name)), "-c", str(config), *options)

    monmap = str(context.work / "monmap")
    address = f"[v2:127.0.0.1:{mon}/0]"
    make_map = (str(_ENVIRONMENT.program("monmaptool")), "--create", "--fsid", cluster, "--addv", "a", address, monmap)
    keys = ("--access-key", context.access_key, "--secret-key", context.secret_key)
    user = ("user", "create", "--uid", "conformance", "--display-name", "conformance", *keys)
    return several(
        context,
        (
            Once(once="map", argv=make_map),
            Once(once="mon", argv=program("ceph-mon", "-i", "a", "--mkfs", "--monmap", monmap)),
            Daemon(argv=program("ceph-mon", "-i", "a", "-f"), port=mon),
            Once(once="id", argv=program("ceph", "osd", "new", disk, "0")),
            Once(once="osd", argv=program("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk)),
            Daemon(argv=program("ceph-osd", "-i", "0", "-f")),
            Once(once="user", argv=program("radosgw-admin", *user)),
            Daemon(argv=program("radosgw", "-n", "client.rgw", "-f"), port=port),
        ),
    )


def _version(_: ProbeResponse) -> str:
    said = subprocess.run([_ENVIRONMENT.program("radosgw"), "--version"], capture_output=True, text=True, check=False)
    found = re.search(r"ceph version (\S+)", said.stdout)
    return found[1] if found else "unknown"


PROVIDER = Provider(
    id="ceph-rgw",
    title="Ceph RADOS Gateway",
    homepage="https://ceph.io/",
    licence="LGPL-2.1",
    kind=Kind.SERVER,
    launches=(
        ProcessLaunch(
            name="ceph-rgw",
            title="Ceph RADOS Gateway",
            environment=_ENVIRONMENT,
            command=_command,
            version=_version,
            ports=2,
            https=True,
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
            Capability.LIFECYCLE,
            Capability.COPY,
            Capability.DURABLE,
        }
    ),
    limits={
        "batch_keys": Declared(value=1000, source=_OPTIONS),
        "key_bytes": Declared(value=1024, source="https://github.com/ceph/ceph/blob/v16.2.15/src/rgw/rgw_rest.cc"),
        "page_keys": Declared(value=1000, source=_OPTIONS),
        "part_min_bytes": Declared(value=5 * 1024**2, source=_OPTIONS),
        "parts": Declared(value=10_000, source=_OPTIONS),
        "put_bytes": Declared(value=5 * 1024**3, source=_OPTIONS),
    },
    notes=(
        "DigitalOcean Spaces is built on this software; what is seen here is a hint on Spaces (which may run another "
        "release, patched and behind a proxy), never a verdict on it: judge `spaces` with credentials for that.",
        "One monitor and one object store on one disk, without cephx: a throw-away cluster, not a way to run Ceph.",
        "A write is answered once every replica has it: https://docs.ceph.com/en/pacific/architecture/",
        "A LocationConstraint other than `default` (the zone group) is refused at bucket creation: create without one.",
        "Over https this release refuses the checksum trailers that SDKs send by default: set "
        "request_checksum_calculation=when_required.",
    ),
)
