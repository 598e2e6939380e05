"""How accounts are told apart by what goes by them: kinds and value tiers."""

import enum


class Kind(enum.StrEnum):
    ORGANIZATION = "ORGANIZATION"
    PERSON = "PERSON"


class ValueTier(enum.StrEnum):
    KEY = "KEY"
    MAJOR = "MAJOR"
    STANDARD = "STANDARD"
    SMALL = "SMALL"
    NEGATIVE = "NEGATIVE"
