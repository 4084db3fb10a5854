"""Credentials of a pod by its web identity (IRSA), where no keys are given.

https://docs.aws.amazon.com/eks/latest/userguide/iam-roles-for-service-accounts.html
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from bucket_conformance.providers.provider import LaunchError

ROLE: Final = "AWS_ROLE_ARN"
TOKEN_FILE: Final = "AWS_WEB_IDENTITY_TOKEN_FILE"


def has_web_identity(environ: Mapping[str, str]) -> bool:
    return bool(environ.get(ROLE) and environ.get(TOKEN_FILE))


def web_identity_credentials(title: str) -> tuple[str, str, str | None]:
    """Return access key, secret key and session token of the process's role; they are valid for an hour by default.

    Uses only the SDK's web-identity source, so that a run never uses credentials that exist elsewhere by chance.
    Raises ``LaunchError`` if the role cannot be assumed.
    """
    from botocore.exceptions import BotoCoreError, ClientError

    from bucket_conformance.conformance.wire.botocore_internals import web_identity_source

    try:
        found = web_identity_source().load()
        lent = None if found is None else found.get_frozen_credentials()
    except (BotoCoreError, ClientError, OSError) as error:
        raise LaunchError(
            f"{title}: the role of {ROLE} cannot be assumed: {error}; check its trust policy and {TOKEN_FILE}"
        ) from error
    if lent is None or not lent.access_key or not lent.secret_key:
        raise LaunchError(f"{title}: {ROLE} and {TOKEN_FILE} gave no keys; look at the role and its trust policy")
    return lent.access_key, lent.secret_key, lent.token
