"""CSV files: encoding and separator found out, records read one by one (RFC 4180, and what Excel makes of it)."""

import contextlib
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import BinaryIO

from crm_customer.imports.spreadsheets.cells import typed_text
from crm_customer.imports.spreadsheets.encodings import CODECS, encoding_of
from crm_customer.imports.spreadsheets.layout import Layout
from crm_customer.imports.spreadsheets.refusal import unreadable

_SEPARATORS = ",;\t|"
_SNIFFED = 1 << 16
_SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n")
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_MARKUP = re.compile(r"\s*<(!doctype|html|head|meta|style|table|\?xml|div|body)", re.IGNORECASE)

Records = Iterator[tuple[int, list[str]]]


def csv_records(file: BinaryIO, told: Layout) -> tuple[Layout, Records]:
    """The layout that was found and (record number from 1, cells) of every record, empty ones too.

    Raises UPLOAD_UNREADABLE for bytes that are no text, and, while records are taken, for a quote that does not end.
    """
    encoding = encoding_of(file, told.encoding)
    text = io.TextIOWrapper(file, encoding=CODECS[encoding], newline="")
    sample = text.read(_SNIFFED)
    text.seek(0)
    if _MARKUP.match(sample):
        raise unreadable(
            "web_page",
            "it is a web page or XML and only called a spreadsheet, as some systems export it; "
            "open it in a spreadsheet program and save it as .xlsx",
        )
    declared = _SEPARATOR_LINE.match(sample)
    separator = told.separator or (declared[1] if declared else _separator(sample))
    return replace(told, encoding=encoding, separator=separator, sheet=""), _records(text, separator, bool(declared))


def _records(text: io.TextIOWrapper, separator: str, is_declared: bool) -> Records:
    number = int(is_declared)
    try:
        if is_declared:
            text.readline()
        for cells in csv.reader(text, delimiter=separator, strict=True):
            number += 1
            yield number, [typed_text(cell) for cell in cells]
    except csv.Error as error:
        detail = f"row {number + 1} is not CSV ({error}); look for a quote that is opened and not closed"
        raise unreadable("csv", detail, row=number + 1) from error
    finally:
        # The file may be closed before the rows are all taken.
        with contextlib.suppress(ValueError):
            text.detach()


def _separator(sample: str) -> str:
    lines = [line for line in _QUOTED.sub("", sample).splitlines()[:20] if line.strip()]

    def agreement(separator: str) -> tuple[int, int]:
        counts = [line.count(separator) for line in lines]
        usual = max(counts, key=counts.count, default=0)
        return (counts.count(usual) if usual else 0, usual)

    return max(_SEPARATORS, key=agreement)
