"""The commands on everything stored: usage, migrate, retention."""

from __future__ import annotations

import argparse
import hashlib
import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from bucket_conformance.reference_impl import migrate as migration
from bucket_conformance.reference_impl import retention
from bucket_conformance.reference_impl.api import Storage
from bucket_conformance.reference_impl.cli_output import Console, UsageError, amount, count, plain
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from bucket_conformance.reference_impl.migrate_report import MigrationReport, Progress
from bucket_conformance.reference_impl.settings import LOCAL_ROOT, LOCATION, Settings, load, open_storage
from bucket_conformance.reference_impl.usage import usage as count_usage

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def usage(storage: Storage, args: argparse.Namespace, console: Console) -> int:
    found = count_usage(storage, args.prefix)
    lines = [
        f"{line.scope:<8} {line.owner_id:<24} {line.file_type:<16} "
        f"{line.amount.files:>9} {amount(line.amount.size):>12}"
        for line in found.lines
    ]
    if found.outside.files:
        lines.append(f"{'outside the layout':<50} {found.outside.files:>9} {amount(found.outside.size):>12}")
        lines.extend(f"  {plain(name)}" for name in found.outside_names)
        if found.outside.files > len(found.outside_names):
            lines.append(f"  … and {found.outside.files - len(found.outside_names)} more")
    lines.append(f"{'total':<50} {found.total.files:>9} {amount(found.total.size):>12}")
    console.result(asdict(found), lines)
    return 0


def migrate(args: argparse.Namespace, console: Console) -> int:
    source = _side(args.source, args.from_root, "--from-root")
    target = _side(args.target, args.to_root, "--to-root")
    journal = None
    if not args.no_journal:
        journal = Path(args.journal) if args.journal else _default_journal(source, target)
        if not args.dry_run:
            console.note(f"journal: {journal} (the same command goes on where it ended)")
    line = console.progress()

    def show(now: Progress) -> None:
        line.update(
            lambda: (
                f"{count(now.files, 'file')}: {now.moved} moved, {now.already_there} already there, "
                f"{now.failed} failed, {amount(now.sent_bytes)}"
            )
        )

    try:
        report = migration.migrate(
            source,
            target,
            journal=journal,
            prefix=args.prefix,
            dry_run=args.dry_run,
            remove_source=args.remove_source,
            include_outside=args.include_outside,
            overwrite=args.overwrite,
            read_back=args.read_back,
            workers=args.workers,
            bulk=not args.no_bulk,
            progress=show,
            note=(lambda _: None) if console.quiet else console.note,
        )
    except KeyboardInterrupt:
        line.end()
        console.note("interrupted: what was moved is moved; the same command goes on where this ended")
        raise
    finally:
        line.end()
    console.result({**asdict(report), "complete": report.complete}, _summary(report, args.remove_source))
    for failure in report.failed:
        console.note(f"failed ({failure.stage.value}) {failure.key!r}: {failure.code.value}: {failure.hint}")
    if report.stopped is not None:
        console.note(f"stopped early: {report.stopped}")
    if report.outside:
        console.note(
            f"left: {count(len(report.outside), 'name')} outside the key layout; --include-outside copies them too"
        )
    for entry in report.unlisted:
        console.note(f"left {entry.path!r}: {entry.why}, which no key can name; move it by other means")
    return 0 if report.complete and (report.dry_run or not report.stayed) else 1


def _side(location: str, root: str | None, option: str) -> Storage:
    environ = {**os.environ, LOCATION: location}
    if root is not None:
        if location != "local":
            raise UsageError(f"{option} names a local folder, but that side is s3")
        environ[LOCAL_ROOT] = str(Path(root).absolute())
    return open_storage(load(environ))


def _default_journal(source: Storage, target: Storage) -> Path:
    pair = "\n".join((migration.describe(source), migration.describe(target)))
    name = f"migration-{hashlib.sha256(pair.encode()).hexdigest()[:16]}.journal"
    return platformdirs.user_state_path("bucket-conformance") / name


def _summary(report: MigrationReport, remove_source: bool) -> list[str]:
    lines = [
        f"moved          {report.moved} ({amount(report.moved_bytes)})",
        f"already there  {report.already_there} ({amount(report.already_there_bytes)})",
        f"from journal   {report.journalled}",
        f"proved         {report.proved_by_etag} by ETag, {report.proved_by_reading_back} by reading back",
        f"failed         {len(report.failed)}",
        f"left           {len(report.left)}",
        f"outside layout {len(report.outside)} (left in place)",
    ]
    if report.dry_run:
        lines = [
            f"would send     {len(report.left)} ({amount(report.left_bytes or 0)})",
            *(f"  {plain(key)}" for key in report.left),
            *lines[1:3],
            lines[4],
            lines[6],
        ]
    if remove_source and not report.dry_run:
        lines.append(f"removed        {report.removed} from the source")
    if report.vanished:
        lines.append(f"vanished       {report.vanished} (deleted from the source meanwhile)")
    lines.extend(f"  outside: {plain(name.key)} ({amount(name.size)})" for name in report.outside)
    lines.extend(f"  no object: {plain(entry.path)} ({entry.why}; left in place)" for entry in report.unlisted)
    return lines


def retention_show(settings: Settings, args: argparse.Namespace, console: Console) -> int:
    from bucket_conformance.reference_impl.retention_rules import read_rules

    client, bucket = _bucket(settings)
    found = read_rules(client, bucket)
    matches = {}
    if args.explain:
        prefixes = [rule.prefix for rule in found.ours]
        matches = {match.prefix: match for match in retention.explain(open_storage(settings), prefixes)}
    rules = [
        {**asdict(rule), **({"files": matches[rule.prefix].files} if rule.prefix in matches else {})}
        for rule in found.ours
    ]
    lines = [
        f"{rule.days:>6} days  {rule.prefix}"
        + (f"  ({count(matches[rule.prefix].files, 'file')})" if rule.prefix in matches else "")
        for rule in found.ours
    ]
    names = [str(rule.get("ID", "")) for rule in found.foreign]
    lines.append(f"{count(len(found.ours), 'rule')} set by this command, {len(names)} by others")
    console.result({"rules": rules, "foreign": names}, lines)
    return 0


def retention_apply(settings: Settings, args: argparse.Namespace, console: Console) -> int:
    from bucket_conformance.reference_impl.retention_rules import apply_rules, read_rules

    client, bucket = _bucket(settings)
    policy = retention.require_policy(dict(args.days))
    owners = [retention.Owner(scope="platform", owner_id=one) for one in args.platform]
    owners += [retention.Owner(scope="project", owner_id=one) for one in args.project]
    if not owners:
        owners = list(retention.stored_owners(open_storage(settings)))
        console.note(f"{count(len(owners), 'owner')} found by listing what is stored; apply again for new ones")
    made = retention.rules(policy, owners)
    kept = {rule.rule_id for rule in made}
    # A caller who names one project must learn that the rules of all others are removed.
    removed = [rule for rule in read_rules(client, bucket).ours if rule.rule_id not in kept]
    if not args.dry_run:
        apply_rules(client, bucket, made)
    verb, gone = ("would be applied", "would go") if args.dry_run else ("applied and read back", "gone")
    lines = [*(f"{rule.days:>6} days  {rule.prefix}" for rule in made), f"{count(len(made), 'rule')} {verb}"]
    if removed:
        lines += [f"{gone:>11}  {rule.prefix}" for rule in removed]
        lines.append(
            f"{count(len(removed), 'rule')} set before {gone}: name their owners and types as well to keep them"
        )
    document = {"rules": [asdict(rule) for rule in made], "removed": [asdict(rule) for rule in removed]}
    console.result({"dry_run": args.dry_run, **document}, lines)
    return 0


def retention_sweep(storage: Storage, args: argparse.Namespace, console: Console) -> int:
    from bucket_conformance.reference_impl.local import LocalStorage

    report = retention.sweep(storage, dict(args.days), datetime.now(UTC), dry_run=args.dry_run)
    stale = storage.remove_stale_uploads() if isinstance(storage, LocalStorage) and not args.dry_run else 0
    verb = "would be deleted" if report.dry_run else "deleted"
    lines = [f"{verb} {plain(key)}" for key in report.deleted]
    lines.append(
        f"{count(len(report.deleted), 'file')} {verb} ({amount(report.deleted_bytes)}), {report.kept} kept, "
        f"{report.outside} outside the layout"
    )
    if stale:
        lines.append(f"{count(stale, 'unfinished upload')} of killed writers removed")
    console.result({**asdict(report), "stale_uploads": stale}, lines)
    for failure in report.failed:
        console.note(f"not deleted {failure.key!r}: {failure.code.value}: {failure.hint}")
    return 1 if report.failed else 0


def _bucket(settings: Settings) -> tuple[S3Client, str]:
    if settings.location != "s3" or settings.bucket is None:
        hint = "local disk has no lifecycle rules; run `retention sweep` daily instead"
        raise StorageError(ErrorCode.UNSUPPORTED, "retention", None, hint)
    from bucket_conformance.reference_impl.s3_client import make_client
    from bucket_conformance.reference_impl.settings import DEFAULT_REGION

    client = make_client(
        endpoint=settings.endpoint,
        region=settings.region or DEFAULT_REGION,
        access_key=settings.access_key_id,
        secret_key=settings.secret_access_key,
        web_identity_only=settings.use_irsa,
    )
    return client, settings.bucket
