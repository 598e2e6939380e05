"""What an account is worth, as the scoring service says."""

from enum import StrEnum


class ValueTier(StrEnum):
    """What an account is worth to us, from the most to the least."""

    KEY = "KEY"
    MAJOR = "MAJOR"
    STANDARD = "STANDARD"
    SMALL = "SMALL"
    NEGATIVE = "NEGATIVE"
