"""Faults of a storage class that show in the URLs it signs."""

from __future__ import annotations

import warnings

from bucket_conformance.reference_impl.api import MAX_URL_LIFE_S, CredentialsEndBeforeUrl
from bucket_conformance.reference_impl.s3 import S3Storage
from tests.faults.local_faults import WrappedStorage, storage_fault


@storage_fault(
    "signer-cuts-long-lives", "a life out of range is silently changed to the nearest limit", breaks=["URL-006"]
)
class SignerCutsLongLives(WrappedStorage):
    def signed_url(self, key: str, file_name: str | None = None, *, expires_in: int = MAX_URL_LIFE_S) -> str:
        return self.inner.signed_url(key, file_name, expires_in=min(max(expires_in, 1), MAX_URL_LIFE_S))


@storage_fault(
    "signed-url-lives-an-hour-by-default",
    "without a life given, a URL lives an hour: the default of the SDK",
    breaks=["URL-004"],
)
class LivesAnHourByDefault(WrappedStorage):
    def signed_url(self, key: str, file_name: str | None = None, *, expires_in: int = 3600) -> str:
        return self.inner.signed_url(key, file_name, expires_in=expires_in)


@storage_fault(
    "signed-url-lives-a-day-at-most",
    "a life over a day is silently shortened to one",
    breaks=["URL-002", "URL-004", "URL-005"],
)
class LongLivesAreCutToADay(WrappedStorage):
    def signed_url(self, key: str, file_name: str | None = None, *, expires_in: int = MAX_URL_LIFE_S) -> str:
        return self.inner.signed_url(key, file_name, expires_in=min(expires_in, 86_400))


@storage_fault("signed-url-forgets-log-suffix", "the URL of a flow run log names the run alone", breaks=["URL-014"])
class ForgetsLogSuffix(WrappedStorage):
    def signed_url(self, key: str, file_name: str | None = None, *, expires_in: int = MAX_URL_LIFE_S) -> str:
        return self.inner.signed_url(key.removesuffix(".log"), file_name, expires_in=expires_in)


@storage_fault("signed-url-drops-the-file-name", "the file name is not signed", breaks=["URL-011"])
class DropsTheFileName(WrappedStorage):
    def signed_url(self, key: str, file_name: str | None = None, *, expires_in: int = MAX_URL_LIFE_S) -> str:
        return self.inner.signed_url(key, expires_in=expires_in)


@storage_fault(
    "signed-url-names-files-raw",
    "the file name goes between the quotes as it is",
    breaks=["URL-011"],
    on="s3",
    origin="a user's file name with a quote or a line break becomes part of the header",
)
class NamesFilesRaw(WrappedStorage):
    def signed_url(self, key: str, file_name: str | None = None, *, expires_in: int = MAX_URL_LIFE_S) -> str:
        if file_name is None:
            return self.inner.signed_url(key, expires_in=expires_in)
        assert isinstance(self.inner, S3Storage)
        asked = {
            "Bucket": self.inner._bucket,
            "Key": key,
            "ResponseContentDisposition": f'attachment; filename="{file_name}"',
        }
        url: str = self.inner._client.generate_presigned_url("get_object", Params=asked, ExpiresIn=expires_in)
        return url


@storage_fault(
    "signed-url-keeps-quiet-about-credentials",
    "a URL that dies with its credentials is returned without a warning",
    breaks=["URL-019"],
    on="s3",
)
class KeepsQuietAboutCredentials(WrappedStorage):
    def signed_url(self, key: str, file_name: str | None = None, *, expires_in: int = MAX_URL_LIFE_S) -> str:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CredentialsEndBeforeUrl)
            return self.inner.signed_url(key, file_name, expires_in=expires_in)


@storage_fault(
    "signed-url-warns-of-every-role",
    "every URL signed with temporary credentials is reported, also one that dies before them",
    breaks=["URL-019"],
    on="s3",
)
class WarnsOfEveryRole(KeepsQuietAboutCredentials):
    def signed_url(self, key: str, file_name: str | None = None, *, expires_in: int = MAX_URL_LIFE_S) -> str:
        warnings.warn("the credentials are temporary", CredentialsEndBeforeUrl, stacklevel=2)
        return super().signed_url(key, file_name, expires_in=expires_in)
