"""What each clause means for readers who know no clause: a short title, a consequence, and a topic.

Reports show these first. The precise promise is the clause's statement; the title is its name. The consequence says in
one sentence what happens to an application where the clause is broken. Deviations of one topic have one cause, unless
the recorded responses show another.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


class Topic(enum.StrEnum):
    """What a clause is about, as the likely cause of its deviations."""

    SIGNATURES = "signatures"
    SIGNED_URLS = "signed urls"
    FILE_NAMES = "file names"
    DIGESTS = "digests"
    DELETION = "deletion"
    LISTING = "listing"
    CONDITIONS = "conditions"
    CONSISTENCY = "consistency"
    CONTENT = "content"
    MULTIPART = "multipart"
    SUB_RESOURCES = "sub-resources"
    BUCKET_RULES = "bucket rules"
    TENANTS = "tenants"
    INTERRUPTIONS = "interruptions"
    ERROR_CODES = "error codes"
    STORAGE = "storage"


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicWords:
    """How a cause is named: ``title`` says what is wrong, ``meaning`` in one sentence what follows."""

    title: str
    meaning: str


TOPICS: Final[Mapping[Topic, TopicWords]] = {
    Topic.SIGNATURES: TopicWords(
        title="Signed URLs are not checked strictly",
        meaning="URLs that are changed, expired or dated wrongly are accepted.",
    ),
    Topic.SIGNED_URLS: TopicWords(
        title="Signed URLs do not work as signed",
        meaning="Links that the application hands out fail, or return something else.",
    ),
    Topic.FILE_NAMES: TopicWords(
        title="Keys are treated like file names",
        meaning="Keys that a file system cannot hold or takes for equal are refused, changed or merged.",
    ),
    Topic.DIGESTS: TopicWords(
        title="Checksums of requests are not checked",
        meaning="Data that was damaged on its way is stored or carried out as if it were good.",
    ),
    Topic.DELETION: TopicWords(
        title="Deletes do not do what they are asked",
        meaning="Files stay that should be gone, or the answer does not say what was deleted.",
    ),
    Topic.LISTING: TopicWords(
        title="Listings cannot be trusted",
        meaning="Keys are missing, repeated, out of order or written differently in listings.",
    ),
    Topic.CONDITIONS: TopicWords(
        title="Conditional requests are not honoured",
        meaning="Locks, create-once and cache checks that rely on If-Match and If-None-Match fail.",
    ),
    Topic.CONSISTENCY: TopicWords(
        title="Writes are not seen at once or whole",
        meaning="Readers get old, missing or mixed values after a write was confirmed.",
    ),
    Topic.CONTENT: TopicWords(
        title="Content or headers differ from the upload",
        meaning="Bytes, ranges, content types, ETags or metadata that come back are not those that were stored.",
    ),
    Topic.MULTIPART: TopicWords(
        title="Multipart uploads are not checked",
        meaning="Large uploads are joined wrongly, or broken ones are accepted.",
    ),
    Topic.SUB_RESOURCES: TopicWords(
        title="Unknown requests reach the object itself",
        meaning="A request for a feature that is not there reads, replaces or removes the object or bucket.",
    ),
    Topic.BUCKET_RULES: TopicWords(
        title="Versions and expiry rules do not work",
        meaning="Files do not expire as configured, or cannot be brought back.",
    ),
    Topic.TENANTS: TopicWords(
        title="Tenants are not kept apart",
        meaning="Work for one project reads, lists or deletes files of another.",
    ),
    Topic.INTERRUPTIONS: TopicWords(
        title="Interrupted writes do damage",
        meaning="An upload that breaks off, or a crash, leaves files that are lost, cut or empty.",
    ),
    Topic.ERROR_CODES: TopicWords(
        title="Errors are reported in other words",
        meaning="Requests are refused as they should be, but with codes that clients do not expect.",
    ),
    Topic.STORAGE: TopicWords(
        title="The storage system itself is wrong",
        meaning="The application's own side of the storage does not do what it documents.",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClauseWords:
    """``title``: at most 40 characters. ``consequence``: one sentence. ``topic``: the likely cause of a deviation."""

    title: str
    consequence: str
    topic: Topic


def _words(topic: Topic, title: str, consequence: str) -> ClauseWords:
    return ClauseWords(title=title, consequence=consequence, topic=topic)


WORDS: Final[Mapping[str, ClauseWords]] = {
    "KEY-001": _words(
        Topic.STORAGE, "Platform files lie where documented", "Other tools do not find the files of the platform."
    ),
    "KEY-002": _words(
        Topic.STORAGE, "Project files lie where documented", "Other tools and expiry rules do not find project files."
    ),
    "KEY-003": _words(Topic.STORAGE, "Keys can be read back", "A file is taken for one of another owner, type or id."),
    "KEY-004": _words(Topic.STORAGE, "Different files never share a key", "One file replaces another file."),
    "KEY-005": _words(
        Topic.STORAGE, "Bad ids are refused", "An id such as `../x` reaches a file that belongs to somebody else."
    ),
    "KEY-006": _words(
        Topic.STORAGE, "A file has exactly one owner", "A file is stored without an owner, or for the wrong one."
    ),
    "KEY-007": _words(
        Topic.FILE_NAMES,
        "Objects lie at exactly their key",
        "A file is stored under another name than the one that was asked for.",
    ),
    "KEY-008": _words(
        Topic.TENANTS,
        "Projects with similar ids stay apart",
        "Work for project `a` reads, lists or deletes files of project `A` or `ab`.",
    ),
    "KEY-009": _words(
        Topic.FILE_NAMES,
        "Any UTF-8 key is kept as it is",
        "A file whose name has spaces, `%`, `+` or accents is refused or comes back under another name.",
    ),
    "KEY-010": _words(
        Topic.FILE_NAMES, "Look-alike keys stay different", "A file named `a//b` replaces the file `a/b`."
    ),
    "KEY-011": _words(
        Topic.FILE_NAMES,
        "Keys up to 1024 bytes",
        "A long file name is refused or cut, so that files with long names are lost or replace each other.",
    ),
    "KEY-012": _words(
        Topic.FILE_NAMES,
        "Long names between slashes",
        "A file whose name has 256 characters or more cannot be stored.",
    ),
    "KEY-013": _words(
        Topic.FILE_NAMES,
        "A file id may begin another (layout)",
        "Storing or deleting one file makes another file of the application fail.",
    ),
    "KEY-014": _words(
        Topic.FILE_NAMES,
        "Odd names are ordinary keys",
        "A file with a name such as `.metadata` or `123` is hidden, refused or treated specially.",
    ),
    "KEY-015": _words(
        Topic.FILE_NAMES,
        "`a` and `a/b` live side by side",
        "Once the file `a` exists, no file `a/b` can be stored, or deleting one removes the other.",
    ),
    "URL-001": _words(
        Topic.SIGNED_URLS, "Signed URLs download the file", "Download links that the application hands out do not work."
    ),
    "URL-002": _words(
        Topic.SIGNED_URLS, "URLs live to their end", "Download links stop working before the time that was promised."
    ),
    "URL-003": _words(
        Topic.SIGNATURES, "URLs end when they expire", "Anyone with an old download link can use it for ever."
    ),
    "URL-004": _words(
        Topic.SIGNED_URLS, "URLs live 7 days by default", "Download links end too early, or live longer than 7 days."
    ),
    "URL-005": _words(
        Topic.SIGNED_URLS,
        "Long lives of URLs are honoured",
        "Download links stop working after 15 minutes, whatever life was asked for.",
    ),
    "URL-006": _words(
        Topic.STORAGE, "No URL is signed for over 7 days", "The application hands out links that are refused later."
    ),
    "URL-007": _words(
        Topic.SIGNATURES,
        "Nonsense lifetimes are refused",
        "A URL whose lifetime is zero, negative or no number is served, perhaps without end.",
    ),
    "URL-008": _words(
        Topic.SIGNATURES,
        "URLs from the future are refused",
        "A URL that is dated ahead works now, and so for longer than was allowed.",
    ),
    "URL-009": _words(
        Topic.SIGNATURES,
        "Changed URLs are refused",
        "Anyone with one download link can change it and read what it was not made for.",
    ),
    "URL-010": _words(
        Topic.SIGNATURES,
        "A URL works for its method only",
        "Anyone with a download link can overwrite or delete the file.",
    ),
    "URL-011": _words(
        Topic.SIGNED_URLS,
        "Downloads get their file name",
        "The browser saves a download under a wrong name, or a file name changes the answer's headers.",
    ),
    "URL-012": _words(
        Topic.SIGNATURES,
        "Added overrides are refused",
        "Anyone with a download link can make the server send it as another type, such as a web page.",
    ),
    "URL-013": _words(
        Topic.SIGNED_URLS,
        "URLs show what is there now",
        "A download link gives a deleted or old file, or a wrong error for a missing one.",
    ),
    "URL-014": _words(
        Topic.SIGNED_URLS, "URLs work for all file ids", "Download links of some files of the application do not work."
    ),
    "URL-015": _words(
        Topic.CONTENT,
        "URLs support ranges",
        "Downloads by link cannot be resumed, and videos cannot be skipped through.",
    ),
    "URL-016": _words(
        Topic.SIGNED_URLS, "Signed URLs accept uploads", "Uploads from a browser by link fail or store something else."
    ),
    "URL-017": _words(
        Topic.SIGNATURES,
        "Unsigned requests are refused",
        "Anyone who reaches the server can read files without a key.",
    ),
    "URL-018": _words(
        Topic.ERROR_CODES,
        "Expired URLs say AccessDenied",
        "A client cannot tell by the code that a download link has expired.",
    ),
    "URL-019": _words(
        Topic.STORAGE,
        "Short-lived credentials are reported",
        "Download links end hours before the time that the application promised.",
    ),
    "URL-020": _words(
        Topic.SIGNED_URLS, "URLs serve many readers", "A download link that several people open works for some only."
    ),
    "URL-021": _words(
        Topic.ERROR_CODES,
        "Refusals carry documented codes",
        "A client cannot tell a wrong key from a wrong signature or a missing one.",
    ),
    "URL-022": _words(
        Topic.SIGNATURES,
        "Bad upload URLs store nothing",
        "Somebody without a valid link can upload files, or overwrite those that are there.",
    ),
    "URL-023": _words(
        Topic.SIGNATURES,
        "Upload URLs enforce their conditions",
        "Anyone with an upload link can send another type, size or content than it was made for.",
    ),
    "URL-024": _words(
        Topic.SIGNATURES, "Lives over 7 days are refused", "Links can be made that live for months or years."
    ),
    "URL-025": _words(
        Topic.ERROR_CODES,
        "A life over 7 days: documented code",
        "A client cannot tell by the code that the life it asked for was too long.",
    ),
    "URL-026": _words(
        Topic.FILE_NAMES,
        "URLs work for every key",
        "Download links of files with unusual names fail, or lead to another file.",
    ),
    "URL-032": _words(
        Topic.SIGNED_URLS,
        "URLs carry the headers signed in them",
        "Files from download links arrive under another name or type than the application asked for.",
    ),
    "DEL-001": _words(
        Topic.DELETION,
        "Exactly the named files are deleted",
        "Deleting some files leaves some of them behind or removes others.",
    ),
    "DEL-002": _words(Topic.DELETION, "Deleting nothing does nothing", "An empty list of files deletes something."),
    "DEL-003": _words(
        Topic.STORAGE,
        "Deletes keep to the batch size",
        "Deletes fail on servers that take fewer keys, or cost more requests than they need.",
    ),
    "DEL-004": _words(
        Topic.DELETION,
        "Any number of files can be deleted",
        "Deleting a project with many files fails or leaves some of them behind.",
    ),
    "DEL-005": _words(
        Topic.DELETION,
        "Missing files are no error in deletes",
        "Deleting the same files once more fails, so that a clean-up cannot be repeated.",
    ),
    "DEL-006": _words(
        Topic.FILE_NAMES,
        "Neighbours survive a delete (layout)",
        "Deleting one file of the application removes another one with a similar name.",
    ),
    "DEL-007": _words(
        Topic.FILE_NAMES,
        "Batch deletes of odd characters",
        "A batch delete of a name with `&`, `<` or a line break fails or removes another file.",
    ),
    "DEL-008": _words(
        Topic.DELETION, "Failed deletes are reported", "The application takes files for deleted that still exist."
    ),
    "DEL-009": _words(
        Topic.DELETION,
        "Broken deletes are tried again",
        "After a network error the application does not know which files are deleted.",
    ),
    "DEL-010": _words(
        Topic.DELETION,
        "Batches of 1000 keys, and no more",
        "Large batches are refused, or too large ones are carried out in part.",
    ),
    "DEL-011": _words(
        Topic.DELETION,
        "Batch answers name each key once",
        "The application cannot see from the answer which files were deleted.",
    ),
    "DEL-012": _words(
        Topic.DIGESTS,
        "Damaged batch deletes are refused",
        "A delete request that was damaged on its way deletes files that nobody named.",
    ),
    "DEL-013": _words(
        Topic.ERROR_CODES,
        "Malformed batch deletes are refused",
        "A broken delete request looks as if it had been carried out, or fails without a clear reason.",
    ),
    "DEL-014": _words(
        Topic.CONSISTENCY, "Deleted files are gone at once", "A deleted file can still be read or is still listed."
    ),
    "DEL-015": _words(
        Topic.DELETION,
        "The batch limit is as documented",
        "Batches of the documented size fail, or smaller ones are sent than are possible.",
    ),
    "DEL-016": _words(
        Topic.BUCKET_RULES,
        "Versions bring deleted files back",
        "Files that were deleted by mistake cannot be restored although versioning is on.",
    ),
    "DEL-017": _words(
        Topic.DELETION,
        "Deleting a missing file is no error",
        "Deleting a file that is gone already fails with an error.",
    ),
    "DEL-018": _words(
        Topic.DIGESTS,
        "Batch deletes without digest are refused",
        "A delete request that was damaged on its way can delete files that nobody named.",
    ),
    "DEL-019": _words(
        Topic.FILE_NAMES,
        "Neighbours survive a delete",
        "Deleting one key removes another one that only looks like it or lies below it.",
    ),
    "DEL-020": _words(
        Topic.ERROR_CODES,
        "DELETE of a missing key gives 204",
        "Clients report an error when they delete what is gone already.",
    ),
    "DEL-025": _words(
        Topic.DELETION,
        "Batches need no Content-MD5",
        "Current SDKs cannot delete several files at once, as they send another checksum.",
    ),
    "RT-001": _words(
        Topic.CONTENT, "Downloads equal uploads", "A file comes back damaged, cut or empty, or cannot be stored at all."
    ),
    "RT-002": _words(
        Topic.CONSISTENCY,
        "Overwrites replace the whole file",
        "A reader gets half of the old file and half of the new one.",
    ),
    "RT-003": _words(
        Topic.CONTENT, "Missing files are reported", "A missing file looks like an empty one, or like an outage."
    ),
    "RT-004": _words(
        Topic.STORAGE, "Large files need little memory", "One large upload can take all memory of the application."
    ),
    "RT-005": _words(
        Topic.INTERRUPTIONS,
        "Broken transfers leave nothing",
        "An upload that broke off is stored as a complete file, or a short download passes for the whole.",
    ),
    "RT-006": _words(
        Topic.CONTENT,
        "Content type and metadata come back",
        "Browsers open downloads as the wrong type, and own metadata of files is lost.",
    ),
    "RT-007": _words(
        Topic.CONTENT, "ETags agree and are the MD5", "Caches and sync tools take unchanged files for changed ones."
    ),
    "RT-008": _words(
        Topic.DIGESTS,
        "A wrong Content-MD5 is refused",
        "An upload that was damaged on its way is stored as if it were good.",
    ),
    "RT-009": _words(
        Topic.CONTENT,
        "Streamed uploads are stored clean",
        "Files that recent SDKs upload have framing in their content or a wrong encoding.",
    ),
    "RT-010": _words(
        Topic.CONTENT,
        "Compressed files come back as stored",
        "Files that were stored compressed come back changed, or cannot be opened.",
    ),
    "RT-011": _words(
        Topic.CONTENT, "Ranges return the right bytes", "Resumed and partial downloads are put together wrongly."
    ),
    "RT-012": _words(
        Topic.MULTIPART,
        "Parts are joined by their numbers",
        "A large file whose parts were uploaded in parallel is joined in the wrong order.",
    ),
    "RT-013": _words(
        Topic.CONTENT,
        "Copies equal their source",
        "A copy on the server fails, or its bytes, type or metadata differ from the source.",
    ),
    "RT-014": _words(
        Topic.MULTIPART,
        "Aborted uploads leave nothing",
        "Parts of aborted uploads stay and are billed, or appear as a file.",
    ),
    "RT-015": _words(
        Topic.MULTIPART,
        "Too small parts are refused",
        "Uploads work here that fail on other providers.",
    ),
    "RT-016": _words(
        Topic.MULTIPART,
        "Wrong completions are refused",
        "A large file with missing or damaged parts is stored as if it were complete.",
    ),
    "RT-017": _words(
        Topic.SUB_RESOURCES,
        "Copy onto itself",
        "The metadata of a file cannot be replaced, or a copy onto itself damages the file.",
    ),
    "RT-018": _words(
        Topic.DIGESTS,
        "A wrong checksum is refused",
        "An upload that was damaged on its way is stored as if it were good.",
    ),
    "RT-019": _words(
        Topic.DIGESTS,
        "Bodies match their signed hash",
        "Somebody between client and server can replace the content of an upload unnoticed.",
    ),
    "RT-020": _words(
        Topic.SUB_RESOURCES,
        "Unknown requests touch no object",
        "A request such as `DELETE ?website` or `PUT ?tagging` removes or replaces the object or bucket itself.",
    ),
    "RT-021": _words(
        Topic.CONTENT,
        "Refusals leave connections usable",
        "After a refused upload the next request on the connection fails or gets a wrong answer.",
    ),
    "LIST-001": _words(
        Topic.LISTING, "Pages list each key once, in order", "A sync or clean-up misses files or meets them twice."
    ),
    "LIST-002": _words(
        Topic.LISTING,
        "A prefix lists its files (layout)",
        "Listing the files of one project shows too few files, or those of another.",
    ),
    "LIST-003": _words(
        Topic.LISTING, "start-after continues a listing", "A listing that is continued misses or repeats files."
    ),
    "LIST-004": _words(
        Topic.LISTING, "Folders are listed once", "File browsers show folders twice, not at all, or mixed with files."
    ),
    "LIST-005": _words(
        Topic.LISTING, "Encoded listings decode", "Files with unusual names are listed under names that do not exist."
    ),
    "LIST-006": _words(
        Topic.LISTING,
        "Listings agree with HEAD",
        "Sizes, dates or ETags in listings are wrong, so that syncs copy too much.",
    ),
    "LIST-007": _words(
        Topic.LISTING,
        "Paging is consistent and ends",
        "A loop over all files stops early or never ends.",
    ),
    "LIST-008": _words(Topic.LISTING, "Version 1 listings page alike", "Older tools miss files in large listings."),
    "LIST-009": _words(
        Topic.LISTING, "max-keys is honoured", "A listing returns more or fewer keys than were asked for."
    ),
    "LIST-010": _words(
        Topic.FILE_NAMES,
        "Keys that XML cannot hold are listed",
        "One file with a control character in its name makes the whole listing unreadable.",
    ),
    "LIST-011": _words(
        Topic.LISTING,
        "Made-up page tokens are refused",
        "A listing that is continued with a damaged token starts anew or ends, without an error.",
    ),
    "LIST-012": _words(
        Topic.LISTING,
        "The storage lists every file once",
        "The application misses files, or counts them twice, when it lists a project.",
    ),
    "LIST-013": _words(
        Topic.LISTING,
        "A prefix of any characters works",
        "A listing below a prefix with unusual characters shows too few files, or foreign ones.",
    ),
    "CON-001": _words(
        Topic.CONSISTENCY, "Writes are seen at once", "A file that was just stored is missing, or is still the old one."
    ),
    "CON-002": _words(
        Topic.CONSISTENCY,
        "Concurrent writes do not mix",
        "Two writers at the same time leave a file that is a mix of both, or none.",
    ),
    "CON-003": _words(
        Topic.CONDITIONS,
        "Create-once has one winner",
        "Two processes both believe that they created the same file, so that locks do not lock.",
    ),
    "CON-004": _words(
        Topic.CONDITIONS,
        "Compare-and-swap has one winner",
        "Of two updates at the same time one is lost, and nobody is told.",
    ),
    "CON-005": _words(
        Topic.CONSISTENCY,
        "Concurrent clients see one order",
        "A value that was replaced or deleted comes back, or a confirmed one is lost.",
    ),
    "CON-006": _words(
        Topic.CONSISTENCY,
        "The storage acts like a dictionary",
        "After some sequence of steps the application finds other files than it stored.",
    ),
    "CON-007": _words(
        Topic.CONDITIONS,
        "Outdated updates are refused",
        "An update that is based on an old version overwrites a newer one.",
    ),
    "CON-008": _words(
        Topic.CONDITIONS,
        "Updates need an existing object",
        "An update of a file that was deleted brings the file back.",
    ),
    "CON-009": _words(
        Topic.CONDITIONS,
        "Conditional reads are honoured",
        "Caches show old files, or download again what has not changed.",
    ),
    "CON-010": _words(
        Topic.CONSISTENCY,
        "S3 requests act like a dictionary",
        "After some sequence of requests the bucket holds other objects than were stored.",
    ),
    "CON-011": _words(
        Topic.CONDITIONS,
        "Conditional writes keep one order",
        "Locks and counters that are built on conditional writes lose updates.",
    ),
    "LIFE-001": _words(
        Topic.BUCKET_RULES,
        "Expiry rules are kept as sent",
        "Old files are never removed, or too early, as the rule is lost or changed.",
    ),
    "LIFE-002": _words(
        Topic.BUCKET_RULES,
        "Contradictory expiry rules refused",
        "A wrong expiry rule is accepted, and may remove other files than intended.",
    ),
    "LIFE-003": _words(
        Topic.BUCKET_RULES,
        "Versioning can be switched",
        "The bucket does not keep old versions although versioning was switched on.",
    ),
    "LIFE-004": _words(
        Topic.STORAGE,
        "Expiry rules meet the right files",
        "Files of another type or owner are removed, or old files stay.",
    ),
    "CFG-001": _words(
        Topic.STORAGE,
        "Settings are checked at start",
        "The application starts with a wrong setting and fails later, while people use it.",
    ),
    "CFG-002": _words(
        Topic.STORAGE,
        "The start-up check names what fails",
        "A missing permission shows only when the first file is stored or deleted.",
    ),
    "CFG-003": _words(
        Topic.STORAGE, "A pod's identity suffices", "The application cannot run in a cluster without permanent keys."
    ),
    "MIG-001": _words(
        Topic.STORAGE,
        "Migration loses no file",
        "After the move from local disk files are missing or damaged, and no report says so.",
    ),
    "SEC-001": _words(
        Topic.STORAGE,
        "Keys stay inside the storage's folder",
        "A crafted file name reads or writes files outside of the storage.",
    ),
    "SEC-002": _words(
        Topic.STORAGE, "Secrets never show", "Access keys appear in logs or errors, where others can read them."
    ),
    "DUR-001": _words(
        Topic.INTERRUPTIONS,
        "A crash of the writer loses nothing",
        "A file that was reported as stored is lost or damaged when the application crashes.",
    ),
    "DUR-002": _words(
        Topic.INTERRUPTIONS,
        "A crash of the server loses nothing",
        "A file that was reported as stored is lost when the server crashes.",
    ),
}
"""By clause id. Clauses outside this project pass title and consequence to ``@clause``."""

CORE_PROMISES: Final[frozenset[str]] = frozenset(
    f"{family}-{number:03}"
    for family, numbers in {
        "KEY": (1, 2, 3, 4, 5, 6, 7, 8, 13),
        "URL": (1, 2, 3, 4, 5, 6, 9, 10, 11, 12, 13, 14, 17, 19, 20),
        "DEL": (1, 2, 3, 4, 5, 6, 8, 9, 14, 17),
        "RT": (1, 2, 3, 4, 5),
        "LIST": (2, 12),
        "CON": (1, 2, 5, 6),
        "LIFE": (4,),
        "CFG": (1, 2, 3),
        "MIG": (1,),
        "SEC": (1, 2),
        "DUR": (1, 2),
    }.items()
    for number in numbers
)
"""The MUST clauses of profile ``core``: a backend that breaks one of them is unfit for the storage system."""
