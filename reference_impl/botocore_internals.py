"""The only module in which the storage uses names of botocore that its documentation does not promise.

Documented are clients, ``Config`` and exceptions. ``pyproject.toml`` bounds the release from above. The suite has its
own adapter, because the storage stands alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import botocore.handlers
from botocore.awsrequest import AWSRequest
from botocore.httpsession import URLLib3Session
from botocore.loaders import Loader, create_loader
from botocore.parsers import ResponseParserError
from botocore.session import Session
from botocore.utils import determine_content_length, get_environ_proxies, parse_timestamp

__all__ = [
    "NEEDED_FOR",
    "AWSRequest",
    "Loader",
    "ResponseParserError",
    "Session",
    "URLLib3Session",
    "create_loader",
    "determine_content_length",
    "get_environ_proxies",
    "parse_timestamp",
    "sdk_error_handler",
    "verifies_with",
]

NEEDED_FOR: Final = {
    "botocore.awsrequest.AWSRequest": "the start-up check of signed URLs",
    "botocore.httpsession.URLLib3Session": "the start-up check of signed URLs",
    "botocore.loaders.Loader": "clients that share the description of S3",
    "botocore.loaders.create_loader": "clients that share the description of S3",
    "botocore.parsers.ResponseParserError": "errors for responses that cannot be read",
    "botocore.session.Session": "clients that share the description of S3",
    "botocore.utils.determine_content_length": "small bodies that are sent without Expect: 100-continue",
    "botocore.utils.get_environ_proxies": "the start-up check of signed URLs behind a proxy",
    "botocore.utils.parse_timestamp": "timestamps in unusual notations",
}
"""What breaks in the storage where a release of botocore no longer has a name."""


def sdk_error_handler() -> Callable[..., Any] | None:
    """Return the SDK's handler that turns unreadable 200 responses into 500s; ``None`` where it has none."""
    return getattr(botocore.handlers, "_handle_200_error", None)


def verifies_with(client: Any) -> object:
    """Return how a client verifies certificates: ``True`` by the usual authorities, a path, ``False``; ``None`` where
    the SDK does not tell."""
    return getattr(getattr(getattr(client, "_endpoint", None), "http_session", None), "_verify", None)
