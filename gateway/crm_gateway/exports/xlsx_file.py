"""Rows as an XLSX workbook (ECMA-376) that is written while it is sent: what was sent is not kept.

Every cell is text (an inline string), so that no long number loses its digits and nothing is taken for a formula.
"""

import io
import re
import zipfile
from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

MEDIA_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
MAX_ROWS = 1_048_576
MAX_CELL_CHARACTERS = 32_767
# XML 1.0 has no other control characters.
UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
DECLARATION = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"
TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
PARTS = {
    "[Content_Types].xml": (
        f'<Types xmlns="{PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{TYPE}.sheet.main+xml"/>'
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
        'Target="worksheets/sheet1.xml"/></Relationships>'
    ),
}


class Outgoing(io.RawIOBase):
    """A file that can only be written, and whose bytes are taken away."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        """Keep the bytes until they are taken."""
        part = bytes(data)
        self._parts.append(part)
        return len(part)

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
            self._archive.writestr(name, DECLARATION + content)
        self._sheet = self._archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True)
        self._sheet.write(f'{DECLARATION}<worksheet xmlns="{MAIN}"><sheetData>'.encode())
        self._rows = 0

    def write(self, row: Sequence[str]) -> None:
        """Add a row. OverflowError beyond what a sheet can have."""
        if self._rows == MAX_ROWS:
            raise OverflowError(f"a sheet has at most {MAX_ROWS} rows; export as CSV, or filter")
        self._rows += 1
        self._sheet.write(f"<row>{''.join(map(cell, row))}</row>".encode())

    def take(self) -> bytes:
        """The bytes since the last time."""
        return self._out.take()

    def end(self) -> bytes:
        """The last bytes."""
        self._sheet.write(b"</sheetData></worksheet>")
        self._sheet.close()
        self._archive.close()
        return self.take()


def cell(text: str) -> str:
    """A cell as XML; an empty one keeps its place."""
    if not text:
        return "<c/>"
    kept = UNWRITABLE.sub("\ufffd", text[:MAX_CELL_CHARACTERS])
    return f'<c t="inlineStr"><is><t xml:space="preserve">{escape(kept)}</t></is></c>'
