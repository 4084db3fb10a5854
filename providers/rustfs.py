"""RustFS, from its container image: upstream's crate needs a newer compiler than most machines have."""

from __future__ import annotations

from bucket_conformance.conformance.contract import Capability
from bucket_conformance.providers.launch.container import ContainerLaunch, Image
from bucket_conformance.providers.provider import Kind, Provider

PROVIDER = Provider(
    id="rustfs",
    title="RustFS",
    homepage="https://rustfs.com",
    licence="Apache-2.0",
    kind=Kind.SERVER,
    launches=(
        ContainerLaunch(
            name="rustfs",
            title="RustFS",
            image=Image(name="rustfs/rustfs", tag="1.0.0", variable="CONFORMANCE_RUSTFS_IMAGE"),
            port=9000,
            environment=lambda access_key, secret_key: {
                "RUSTFS_ADDRESS": "0.0.0.0:9000",
                "RUSTFS_ACCESS_KEY": access_key,
                "RUSTFS_SECRET_KEY": secret_key,
                "RUSTFS_VOLUMES": "/data",
            },
            version_command=("rustfs", "--version"),
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
    notes=(
        "Container only: https://github.com/rustfs/rustfs/blob/main/Dockerfile; the crate `rustfs` needs Rust 1.98.",
        "Not judged so far, for want of its image: the capabilities are those that its documentation claims.",
    ),
)
