"""Error codes of our own, beside those of S3, for answers that are none of S3's."""

import re
from typing import Final

CUT_OFF: Final = "AnswerCutOff"
"""The answer ended before it was whole."""
NOT_S3: Final = "AnswerNotFromS3"
"""The answer is whole, but none of the operation that was asked for: a proxy's page, or another operation's."""


def error_code_in(body: bytes) -> str:
    """Return the code in an S3 error document, ``""`` where ``body`` is none. It may be only its beginning."""
    found = re.search(rb"<Error\b[^>]*>.{0,2000}?<Code>([A-Za-z0-9.]{1,64})</Code>", body, re.DOTALL)
    return found[1].decode("ascii") if found else ""
