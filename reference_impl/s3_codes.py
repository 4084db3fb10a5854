"""Our own error codes for responses that do not come from S3, next to the codes of S3."""

import re
from typing import Final

CUT_OFF: Final = "AnswerCutOff"
"""The response ended before it was complete."""
NOT_S3: Final = "AnswerNotFromS3"
"""The response is complete, but not one of the requested operation: a proxy's page, or another operation's document."""


def error_code_in(body: bytes) -> str:
    """Return the code in an S3 error document, ``""`` where ``body`` is none. It may be only its beginning."""
    found = re.search(rb"<Error\b[^>]*>.{0,2000}?<Code>([A-Za-z0-9.]{1,64})</Code>", body, re.DOTALL)
    return found[1].decode("ascii") if found else ""
