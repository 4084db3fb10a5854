"""File storage on local disk or in an S3-compatible bucket behind one port: :class:`Storage`.

``open_storage(load_settings(os.environ))`` is the whole way from ``AP_*`` variables to a storage. The backends
themselves are ``local.LocalStorage`` and ``s3.S3Storage``. They are not imported here, so that neither the SDK nor a
web server is loaded before it is needed.
"""

from bucket_conformance.reference_impl.api import (
    CheckResult,
    CredentialsEndBeforeUrl,
    DeleteError,
    DeleteFailure,
    DeleteResult,
    ObjectStat,
    Storage,
)
from bucket_conformance.reference_impl.errors import ErrorCode, StorageError
from bucket_conformance.reference_impl.settings import Settings, SettingsError, open_storage
from bucket_conformance.reference_impl.settings import load as load_settings

__all__ = [
    "CheckResult",
    "CredentialsEndBeforeUrl",
    "DeleteError",
    "DeleteFailure",
    "DeleteResult",
    "ErrorCode",
    "ObjectStat",
    "Settings",
    "SettingsError",
    "Storage",
    "StorageError",
    "load_settings",
    "open_storage",
]
