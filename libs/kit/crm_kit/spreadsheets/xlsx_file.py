"""Rows as an XLSX workbook (ECMA-376) that is written while it is sent: what was sent is not kept.

A cell is a number, a date or a truth where its column says so and spreadsheet programs keep all of it. Every other one
is text (an inline string), so that no long number loses its digits and nothing is taken for a formula.
"""

import contextlib
import re
import zipfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from xml.sax.saxutils import escape

from crm_kit.spreadsheets.kinds import Kind

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MAX_ROWS = 1_048_576
MAX_CELL_CHARACTERS = 32_767
# XML 1.0 has no other control characters.
UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
KEPT_DIGITS = 15
"""What spreadsheet programs keep of a number."""

EPOCH = datetime(1899, 12, 30, tzinfo=UTC)
FIRST_DAY = datetime(1900, 3, 1, tzinfo=UTC)
DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
# Styles by their numbers: general, whole, with two decimals, date, instant, and text that stays text when it is edited.
FORMATS = (0, 1, 4, 164, 165, 49)
GENERAL, WHOLE, CENTS, DATE, INSTANT, TEXT = range(len(FORMATS))
TIME_LENGTH = len("2026-01-31T09:30:00")
# Instants of another offset than UTC have the styles and formats after these, one for each offset.
FIRST_OFFSET_FORMAT = 166


def _format(number: int) -> str:
    return f'<xf numFmtId="{number}" applyNumberFormat="1"/>'


PARTS = {
    "[Content_Types].xml": (
        f'<Types xmlns="{PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{TYPE}.sheet.main+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{TYPE}.styles+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{TYPE}.worksheet+xml"/></Types>'
    ),
    "_rels/.rels": (
        f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="rId1" Type="{OFFICE}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>'
    ),
    "xl/workbook.xml": (
        f'<workbook xmlns="{MAIN}" xmlns:r="{OFFICE}"><sheets><sheet name="Export" sheetId="1" r:id="rId1"/></sheets>'
        "</workbook>"
    ),
    "xl/_rels/workbook.xml.rels": (
        f'<Relationships xmlns="{PACKAGE}/relationships"><Relationship Id="rId1" Type="{OFFICE}/worksheet" '
        f'Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="{OFFICE}/styles" Target="styles.xml"/>'
        "</Relationships>"
    ),
}


def styles(offsets: Sequence[str]) -> str:
    """The part with the formats of cells, among them that of instants for each offset: `+08:00`."""
    instants = [
        f'<numFmt numFmtId="{number}" formatCode="yyyy\\-mm\\-dd\\ hh:mm:ss\\ &quot;{zone}&quot;"/>'
        for number, zone in enumerate(["UTC", *offsets], start=165)
    ]
    formats = [*FORMATS, *range(FIRST_OFFSET_FORMAT, FIRST_OFFSET_FORMAT + len(offsets))]
    return (
        f'<styleSheet xmlns="{MAIN}"><numFmts count="{1 + len(instants)}">'
        f'<numFmt numFmtId="164" formatCode="yyyy\\-mm\\-dd"/>{"".join(instants)}</numFmts>'
        '<fonts count="1"><font/></fonts><fills count="1"><fill><patternFill patternType="none"/></fill></fills>'
        '<borders count="1"><border/></borders>'
        '<cellStyleXfs count="1"><xf/></cellStyleXfs>'
        f'<cellXfs count="{len(formats)}">{"".join(map(_format, formats))}</cellXfs>'
        '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>'
    )


class Outgoing:
    """A file that can only be written, as an archive needs it, and whose bytes are taken away."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def write(self, data: bytes) -> int:
        """Keep the bytes until they are taken."""
        self._parts.append(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Its bytes stay until they are taken."""

    def take(self) -> bytes:
        """The bytes since the last time."""
        data = b"".join(self._parts)
        self._parts.clear()
        return data


class XlsxFile:
    """Gathers rows and gives back the bytes of those since the last time."""

    def __init__(self) -> None:
        self._out = Outgoing()
        self._archive = zipfile.ZipFile(self._out, "w", zipfile.ZIP_DEFLATED, compresslevel=1)
        for name, content in PARTS.items():
            self._add(name, content)
        self._sheet = self._archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True)
        self._sheet.write(f'{DECLARATION}<worksheet xmlns="{MAIN}"><sheetData>'.encode())
        self._rows = 0
        # The offsets of instants that were written, in the order of their styles.
        self._offsets: list[str] = []

    def write(self, row: Sequence[str], kinds: Sequence[Kind] = ()) -> None:
        """Add a row, all of it text unless `kinds` are told. OverflowError beyond what a sheet can have."""
        if self._rows == MAX_ROWS:
            raise OverflowError(f"a sheet has at most {MAX_ROWS} rows; export as CSV, or filter")
        self._rows += 1
        cells = map(self._typed_cell, row, kinds) if kinds else map(cell, row)
        self._sheet.write(f"<row>{''.join(cells)}</row>".encode())

    def _typed_cell(self, text: str, kind: Kind) -> str:
        """A cell as what its column holds; as text where that would not keep all of it."""
        if not text or kind is Kind.TEXT:
            return cell(text)
        found = self._instant(text) if kind is Kind.INSTANT else _VALUES[kind](text)
        return found or cell(text)

    def _instant(self, text: str) -> str | None:
        """An instant as clocks of its offset show it, in the format that tells the offset."""
        with contextlib.suppress(ValueError):
            time = datetime.fromisoformat(text)
            shown = time.replace(tzinfo=UTC)
            return _serial(
                shown, self._style(time.isoformat(timespec="seconds")[TIME_LENGTH:] if time.utcoffset() else "")
            )
        return None

    def _style(self, offset: str) -> int:
        if not offset:
            return INSTANT
        if offset not in self._offsets:
            self._offsets.append(offset)
        return len(FORMATS) + self._offsets.index(offset)

    def take(self) -> bytes:
        """The bytes since the last time."""
        return self._out.take()

    def end(self) -> bytes:
        """The last bytes."""
        self._sheet.write(b"</sheetData></worksheet>")
        self._sheet.close()
        self._add("xl/styles.xml", styles(self._offsets))
        self._archive.close()
        return self.take()

    def _add(self, name: str, content: str) -> None:
        # As `writestr`, but without the time of day: the same rows are the same file.
        with self._archive.open(name, "w") as part:
            part.write(f"{DECLARATION}{content}".encode())


def cell(text: str) -> str:
    """A cell as XML; an empty one keeps its place."""
    if not text:
        return f'<c s="{TEXT}"/>'
    return f'<c s="{TEXT}" t="inlineStr"><is><t xml:space="preserve">{escape(written(text))}</t></is></c>'


def written(text: str) -> str:
    """As much of a text as a cell can have, without what XML cannot."""
    return UNWRITABLE.sub("\ufffd", text[:MAX_CELL_CHARACTERS])


def decimals_of(text: str) -> int | None:
    """How many decimals a decimal number has; None for one of more digits than programs keep, and for other texts."""
    if not _DECIMAL.fullmatch(text) or len(text.lstrip("-0.").replace(".", "")) > KEPT_DIGITS:
        return None
    return len(text.partition(".")[2])


def _number(text: str) -> str | None:
    """A decimal with the digits that it has; None beyond those that programs keep."""
    decimals = decimals_of(text)
    if decimals is None:
        return None
    style = WHOLE if not decimals else CENTS if decimals == 2 else GENERAL
    return f'<c s="{style}"><v>{text}</v></c>'


def _date(text: str) -> str | None:
    with contextlib.suppress(ValueError):
        return _serial(datetime.fromisoformat(f"{text}T00:00:00Z"), DATE)
    return None


def _serial(time: datetime, style: int) -> str | None:
    """Days since the epoch of spreadsheets; None before March 1900, where programs disagree."""
    days = (time - EPOCH) / timedelta(days=1)
    return f'<c s="{style}"><v>{days:.11f}</v></c>' if time >= FIRST_DAY else None


def _truth(text: str) -> str:
    return f'<c t="b"><v>{int(text == "true")}</v></c>'


_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_VALUES = {Kind.NUMBER: _number, Kind.DATE: _date, Kind.TRUTH: _truth}
