"""The reference's own settings, retention and migration, behind the ports of :mod:`parts`.

Part of opening a session, and with ``opening`` and ``opening_writer`` the only place that knows the reference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bucket_conformance.conformance.parts import (
    ApplicationParts,
    ExpiryRule,
    InvalidSetting,
    LoadedSettings,
    Migrated,
    SettingsRejected,
)
from bucket_conformance.reference_impl import keys as reference_layout
from bucket_conformance.reference_impl import retention, settings
from bucket_conformance.reference_impl.api import Storage
from bucket_conformance.reference_impl.keys import KeyLayout, Scope
from bucket_conformance.reference_impl.local import LocalStorage
from bucket_conformance.reference_impl.migrate import migrate


def reference_parts(parts: ApplicationParts, layout: KeyLayout) -> ApplicationParts:
    """Return ``parts`` with the reference's. Under another layout without those that are bound to the reference's."""
    parts = replace(parts, settings=ReferenceSettings())
    if layout is not reference_layout:
        return parts
    return replace(parts, retention=ReferenceRetention(), migration=ReferenceMigration())


class ReferenceSettings:
    """Implements ``SettingsPort``."""

    def load(self, environ: Mapping[str, str]) -> LoadedSettings:
        try:
            found = settings.load(environ)
        except settings.SettingsError as error:
            refusals = tuple(
                InvalidSetting(name=problem.name, shown=problem.value, allowed=problem.allowed)
                for problem in error.problems
            )
            raise SettingsRejected(str(error), refusals) from None
        return LoadedSettings(
            values={
                settings.LOCATION: found.location,
                settings.BUCKET: found.bucket,
                settings.ACCESS_KEY_ID: found.access_key_id,
                settings.SECRET_ACCESS_KEY: found.secret_access_key,
                settings.REGION: found.region,
                settings.ENDPOINT: found.endpoint,
                settings.USE_SIGNED_URLS: found.use_signed_urls,
                settings.USE_IRSA: found.use_irsa,
            },
            shown=repr(found),
        )

    def open(self, environ: Mapping[str, str]) -> Storage:
        return settings.open_storage(settings.load(environ))


class ReferenceRetention:
    """Implements ``RetentionPort``."""

    def rules(self, policy: Mapping[str, int], owners: Sequence[tuple[Scope, str]]) -> Sequence[ExpiryRule]:
        made = retention.rules(policy, [retention.Owner(scope=scope, owner_id=owner) for scope, owner in owners])
        return [ExpiryRule(rule_id=rule.rule_id, prefix=rule.prefix, days=rule.days) for rule in made]


class ReferenceMigration:
    """Implements ``MigrationPort``."""

    def source(self, root: Path) -> Storage:
        return LocalStorage(root)

    def migrate(self, source: Storage, target: Storage, *, journal: Path) -> Migrated:
        # The suite records and disturbs what the SDK sends.
        report = migrate(source, target, journal=journal, bulk=False)
        return Migrated(complete=report.complete, left=report.left, outside=tuple(name.key for name in report.outside))
