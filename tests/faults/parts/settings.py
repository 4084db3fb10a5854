"""Faults of the settings: values that are read wrongly, accepted unchecked, or refused without a reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from bucket_conformance.conformance.clauses.settings import ACCESS_KEY, BUCKET, ENDPOINT, IRSA, SECRET_KEY, SIGNED_URLS
from bucket_conformance.conformance.parts import (
    ApplicationParts,
    InvalidSetting,
    LoadedSettings,
    SettingsPort,
    SettingsRejected,
)
from bucket_conformance.reference_impl.api import Storage
from tests.faults.part_faults import parts_fault, settings_of


class WrappedSettings:
    """Settings that pass everything to ``inner``. A fault overrides what it breaks."""

    def __init__(self, inner: SettingsPort) -> None:
        self.inner = inner

    def load(self, environ: Mapping[str, str]) -> LoadedSettings:
        return self.inner.load(environ)

    def open(self, environ: Mapping[str, str]) -> Storage:
        return self.inner.open(environ)


def _broken(kind: Callable[[SettingsPort], SettingsPort]) -> Callable[[ApplicationParts], ApplicationParts]:
    return lambda parts: replace(parts, settings=kind(settings_of(parts)))


class FalseIsTrue(WrappedSettings):
    def load(self, environ: Mapping[str, str]) -> LoadedSettings:
        found = self.inner.load(environ)
        return replace(found, values={**found.values, SIGNED_URLS: bool(environ.get(SIGNED_URLS))})


parts_fault("settings-read-false-as-true", "any text switches a setting on, also false", breaks=["CFG-001"])(
    _broken(FalseIsTrue)
)


class NoEndpoint(WrappedSettings):
    def load(self, environ: Mapping[str, str]) -> LoadedSettings:
        found = self.inner.load(environ)
        return replace(found, values={**found.values, ENDPOINT: None})


parts_fault("settings-ignore-the-endpoint", "the endpoint is not read", breaks=["CFG-001"])(_broken(NoEndpoint))


class AnyBucket(WrappedSettings):
    def load(self, environ: Mapping[str, str]) -> LoadedSettings:
        try:
            return self.inner.load(environ)
        except SettingsRejected as error:
            if environ.get(BUCKET) and [refusal.name for refusal in error.refusals] == [BUCKET]:
                found = self.inner.load({**environ, BUCKET: "files"})
                return replace(found, values={**found.values, BUCKET: environ[BUCKET]})
            raise


parts_fault("settings-accept-any-bucket", "any bucket name is accepted", breaks=["CFG-001"])(_broken(AnyBucket))


def _refusing(
    change: Callable[[InvalidSetting, Mapping[str, str]], InvalidSetting],
) -> Callable[[ApplicationParts], ApplicationParts]:
    class Refusing(WrappedSettings):
        def load(self, environ: Mapping[str, str]) -> LoadedSettings:
            try:
                return self.inner.load(environ)
            except SettingsRejected as error:
                changed = tuple(change(refusal, environ) for refusal in error.refusals)
                text = "\n".join(f"{one.name}: {one.shown}; allowed: {one.allowed}" for one in changed)
                raise SettingsRejected(text, changed) from None

    return _broken(Refusing)


parts_fault("settings-hide-which-variable", "a refusal does not name the variable", breaks=["CFG-001"])(
    _refusing(lambda refusal, _: replace(refusal, name="a setting"))
)
parts_fault("settings-hide-the-value", "a refusal hides every value, secret or not", breaks=["CFG-001"])(
    _refusing(lambda refusal, _: replace(refusal, shown="(not shown)"))
)
parts_fault("settings-say-nothing-of-what-is-allowed", "a refusal does not say what is allowed", breaks=["CFG-001"])(
    _refusing(lambda refusal, _: replace(refusal, allowed=""))
)
parts_fault(
    "settings-show-a-refused-secret", "the value of a refused variable is shown, also a secret", breaks=["CFG-001"]
)(_refusing(lambda refusal, environ: replace(refusal, shown=environ.get(refusal.name))))


class MakesTheRoot(WrappedSettings):
    def load(self, environ: Mapping[str, str]) -> LoadedSettings:
        root = environ.get("AP_LOCAL_STORAGE_ROOT")
        if root:
            Path(root).mkdir(parents=True, exist_ok=True)
        return self.inner.load(environ)


parts_fault("settings-make-the-root", "reading the settings makes the storage's folder", breaks=["CFG-001"])(
    _broken(MakesTheRoot)
)


class RequiresCredentials(WrappedSettings):
    def open(self, environ: Mapping[str, str]) -> Storage:
        missing = [name for name in (ACCESS_KEY, SECRET_KEY) if name not in environ]
        if missing:
            raise KeyError(missing[0])
        return self.inner.open(environ)


parts_fault("irsa-asks-for-keys", "credentials are required although IRSA is on", breaks=["CFG-003"])(
    _broken(RequiresCredentials)
)


class IgnoresIrsa(WrappedSettings):
    def open(self, environ: Mapping[str, str]) -> Storage:
        plain = {name: value for name, value in environ.items() if name != IRSA}
        return self.inner.open({ACCESS_KEY: "AKIADEFAULT", SECRET_KEY: "default-secret-of-a-chart", **plain})


parts_fault("irsa-is-ignored", "with IRSA on, old credentials sign instead of the web identity", breaks=["CFG-003"])(
    _broken(IgnoresIrsa)
)


class ShowsSecret(WrappedSettings):
    def load(self, environ: Mapping[str, str]) -> LoadedSettings:
        found = self.inner.load(environ)
        return replace(found, shown=f"{found.shown} secret_access_key={found.values[SECRET_KEY]!r}")


parts_fault("settings-repr-shows-the-secret", "the repr of good settings shows the secret key", breaks=["SEC-002"])(
    _broken(ShowsSecret)
)
