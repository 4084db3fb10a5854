"""The storage that the ``AP_*`` variables describe, to be judged as it is configured (``--env``).

The one place of this package that knows the storage system's settings: they must be read by the very code that the
storage itself uses, or the suite would judge something else than what will run.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from conformance.contract import Capability
from conformance.target import DiskRoot, S3Endpoint
from providers.launch.remote import reach
from providers.provider import Availability, Kind, LaunchError, LaunchKind, Progress, Provider, Running
from reference_impl.settings import Settings, SettingsError, load

_TITLE = "AP_* environment"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsLaunch:
    """Reads ``environ`` when asked and reaches the configured bucket; sessions write below names of their own."""

    environ: Mapping[str, str] = field(repr=False)

    @property
    def kind(self) -> LaunchKind:
        return LaunchKind.REMOTE

    def availability(self) -> Availability:
        try:
            settings = load(self.environ)
        except SettingsError as error:
            return Availability(ready=False, missing=str(error), how="set the variables as the list says")
        if settings.location == "local" and not settings.local_root.is_dir():
            return Availability(
                ready=False,
                missing=f"the folder {settings.local_root} (AP_LOCAL_STORAGE_ROOT)",
                how="make it, or set the variable to the storage's folder",
            )
        return Availability(ready=True)

    def install(self, progress: Progress) -> None:
        """Nothing to install."""

    @contextlib.contextmanager
    def start(self, progress: Progress) -> Iterator[Running]:
        availability = self.availability()
        if not availability.ready:
            raise LaunchError(f"{_TITLE}: {availability.missing}; {availability.how}")
        settings = load(self.environ)
        for warning in settings.warnings:
            progress(warning)
        if settings.location == "local":
            yield Running(target=DiskRoot(root=settings.local_root), version="local disk", launch=self.kind)
        else:
            yield reach(_TITLE, _endpoint(settings), progress)


def provider_from_environment(environ: Mapping[str, str] | None = None) -> Provider:
    """A provider ``env`` for the storage that ``environ`` (by default the process's own) describes."""
    chosen = os.environ if environ is None else environ
    is_local = chosen.get("AP_FILE_STORAGE_LOCATION", "local").lower() != "s3"
    common = {Capability.SIGNED_URLS, Capability.SIGNED_UPLOADS, Capability.OWN_VIEW}
    own = {Capability.FILE_TREE, Capability.DURABLE} if is_local else _S3
    return Provider(
        id="env",
        title="The storage of the AP_* environment",
        homepage="https://www.activepieces.com/docs/install/configuration/environment-variables",
        licence="unknown",
        kind=Kind.FILE_SYSTEM if is_local else Kind.SERVICE,
        launches=(SettingsLaunch(environ=chosen),),
        capabilities=frozenset(common | own),
    )


_S3 = {Capability.WIRE, Capability.FAULT_INJECTION, Capability.MULTIPART, Capability.COPY}


def _endpoint(settings: Settings) -> S3Endpoint:
    region = settings.region or "us-east-1"
    access_key, secret_key, token = settings.access_key_id, settings.secret_access_key, None
    if access_key is None or secret_key is None:
        access_key, secret_key, token = _role_credentials()
    return S3Endpoint(
        url=settings.endpoint or f"https://s3.{region}.amazonaws.com",
        access_key=access_key,
        secret_key=secret_key,
        session_token=token,
        region=region,
        addressing="path" if settings.endpoint else "virtual",
        bucket=settings.bucket,
    )


def _role_credentials() -> tuple[str, str, str | None]:
    import botocore.session

    found = botocore.session.get_session().get_credentials()
    if found is None:
        raise LaunchError(
            f"{_TITLE}: AP_S3_USE_IRSA is true, but the SDK finds no role; on EKS the service account sets "
            "AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE"
        )
    frozen = found.get_frozen_credentials()
    if not frozen.access_key or not frozen.secret_key:
        raise LaunchError(f"{_TITLE}: the SDK's role gives no access key; look at the role and its trust policy")
    return frozen.access_key, frozen.secret_key, frozen.token
