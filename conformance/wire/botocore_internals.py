"""The one place that takes from botocore what its documentation does not promise; the suite imports it from here.

The storage system stands alone and has its own. Documented are clients, sessions, ``Config`` and exceptions.
``pyproject.toml`` bounds the release from above. Loading this takes a tenth of a second: what may run without it
imports it where it is used.
"""

from __future__ import annotations

from typing import Any, Final

import botocore.session
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import (
    AWSHTTPConnection,
    AWSHTTPConnectionPool,
    AWSHTTPSConnection,
    AWSHTTPSConnectionPool,
    AWSPreparedRequest,
    AWSRequest,
    AWSResponse,
)
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials, RefreshableCredentials
from botocore.httpsession import URLLib3Session

__all__ = [
    "NEEDED_FOR",
    "AWSHTTPConnection",
    "AWSHTTPConnectionPool",
    "AWSHTTPSConnection",
    "AWSHTTPSConnectionPool",
    "AWSPreparedRequest",
    "AWSRequest",
    "AWSResponse",
    "Credentials",
    "HTTPHeaders",
    "RefreshableCredentials",
    "S3SigV4Auth",
    "S3SigV4QueryAuth",
    "URLLib3Session",
    "web_identity_source",
]

NEEDED_FOR: Final = {
    "botocore.auth.S3SigV4Auth.add_auth": "requests of the suite's own and the probe that a server is ready",
    "botocore.auth.S3SigV4Auth.payload": "requests that name the hash of their body themselves",
    "botocore.auth.S3SigV4Auth.headers_to_sign": "requests that sign chosen headers",
    "botocore.auth.S3SigV4QueryAuth.add_auth": "signed URLs that a server must refuse",
    "botocore.awsrequest.AWSRequest.prepare": "requests of the suite's own",
    "botocore.awsrequest.AWSHTTPConnection": "the bounds of an SDK's responses",
    "botocore.awsrequest.AWSHTTPConnectionPool": "the bounds of an SDK's responses",
    "botocore.awsrequest.AWSHTTPSConnection": "the bounds of an SDK's responses over https",
    "botocore.awsrequest.AWSHTTPSConnectionPool": "the bounds of an SDK's responses over https",
    "botocore.awsrequest.AWSPreparedRequest": "the record of what an SDK sends, and the faults put in its way",
    "botocore.awsrequest.AWSResponse": "answers of the suite's own to an SDK",
    "botocore.compat.HTTPHeaders": "headers that are sent as they were given",
    "botocore.credentials.Credentials": "requests of the suite's own",
    "botocore.credentials.RefreshableCredentials": "clauses on credentials that expire",
    "botocore.httpsession.URLLib3Session.send": "the record of what an SDK sends, and the faults put in its way",
    "botocore.session.Session.get_component": "providers reached by a web identity",
}
"""What breaks where a release of botocore has a name no longer."""


def web_identity_source() -> Any:
    """Return what lends the role of a web identity; its ``load()`` gives credentials, ``None`` where none is named."""
    sources: Any = botocore.session.get_session().get_component("credential_provider")
    return sources.get_provider("assume-role-with-web-identity")
