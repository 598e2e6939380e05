"""What a column holds: a workbook keeps numbers, dates and truths as such, so that programs can add and sort them."""

import enum


class Kind(enum.Enum):
    """What the texts of a column are: decimal numbers, ISO 8601 dates, instants with their offset, truths, or text."""

    TEXT = enum.auto()
    NUMBER = enum.auto()
    DATE = enum.auto()
    INSTANT = enum.auto()
    TRUTH = enum.auto()
