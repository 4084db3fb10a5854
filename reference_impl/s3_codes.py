"""Error codes of our own, beside those of S3, for answers that are none of S3's."""

from typing import Final

CUT_OFF: Final = "AnswerCutOff"
"""The answer ended before it was whole."""
NOT_S3: Final = "AnswerNotFromS3"
"""The answer is whole, but none of the operation that was asked for: a proxy's page, or another operation's."""
