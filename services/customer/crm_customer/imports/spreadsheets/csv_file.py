"""CSV files: encoding and delimiter found out, records read one by one (RFC 4180, and what Excel makes of it)."""

import codecs
import contextlib
import csv
import io
import re
from collections.abc import Iterator
from typing import BinaryIO

from crm_customer.imports.spreadsheets.cells import typed_text
from crm_customer.imports.spreadsheets.refusal import unreadable

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_GUESSES = ("utf-8", "gb18030")
_DELIMITERS = ",;\t"
_CHUNK = 1 << 20
_SNIFFED = 1 << 16
_SEPARATOR_LINE = re.compile(r"sep=(.)\r?\n")
_QUOTED = re.compile(r'"(?:[^"]|"")*"')


def csv_records(file: BinaryIO) -> Iterator[tuple[int, list[str]]]:
    """(record number from 1, cells) of every record, empty ones too.

    Raises UPLOAD_UNREADABLE for bytes that are no text, and for a quote that does not end.
    """
    encoding = _encoding(file)
    text = io.TextIOWrapper(file, encoding=encoding, newline="")
    try:
        sample = text.read(_SNIFFED)
        text.seek(0)
        declared = _SEPARATOR_LINE.match(sample)
        if declared:
            text.readline()
        delimiter = declared[1] if declared else _delimiter(sample)
        reader = csv.reader(text, delimiter=delimiter, strict=True)
        yield from _records(reader, first=2 if declared else 1)
    finally:
        # The file may be closed before the rows are all taken.
        with contextlib.suppress(ValueError):
            text.detach()


def _records(reader: Iterator[list[str]], first: int) -> Iterator[tuple[int, list[str]]]:
    number = first - 1
    try:
        for number, cells in enumerate(reader, start=first):
            yield number, [typed_text(cell) for cell in cells]
    except csv.Error as error:
        detail = f"row {number + 1} is not CSV ({error}); look for a quote that is opened and not closed"
        raise unreadable(detail) from error


def _encoding(file: BinaryIO) -> str:
    start = file.read(4)
    for bom, encoding in _BOMS:
        if start.startswith(bom):
            if _decodes(file, encoding):
                return encoding
            raise unreadable(f"it says it is {encoding.removesuffix('-sig')} and is not")
    for encoding in _GUESSES:
        if _decodes(file, encoding):
            return encoding
    raise unreadable("it is neither XLSX nor text in UTF-8 or GB18030; save it as XLSX or as CSV in UTF-8")


def _decodes(file: BinaryIO, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    file.seek(0)
    try:
        while chunk := file.read(_CHUNK):
            if "\0" in decoder.decode(chunk):
                return False
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    finally:
        file.seek(0)
    return True


def _delimiter(sample: str) -> str:
    lines = [line for line in _QUOTED.sub("", sample).splitlines()[:20] if line.strip()]

    def agreement(delimiter: str) -> tuple[int, int]:
        counts = [line.count(delimiter) for line in lines]
        usual = max(counts, key=counts.count, default=0)
        return (counts.count(usual) if usual else 0, usual)

    return max(_DELIMITERS, key=agreement)
