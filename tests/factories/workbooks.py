"""Workbooks to read, and to break."""

import io
import zipfile

import openpyxl


def book(*rows: list[object], formats: dict[str, str] | None = None, **sheets: list[list[object]]) -> bytes:
    made = openpyxl.Workbook()
    for row in rows:
        made.worksheets[0].append(row)
    for cell, form in (formats or {}).items():
        made.worksheets[0][cell].number_format = form
    for name, others in sheets.items():
        sheet = made.create_sheet(name)
        for row in others:
            sheet.append(row)
    file = io.BytesIO()
    made.save(file)
    return file.getvalue()


def with_parts(content: bytes, **parts: bytes) -> bytes:
    file = io.BytesIO()
    replaced = {name.replace("__", "/").replace("_xml", ".xml"): data for name, data in parts.items()}
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, replaced.pop(name) if name in replaced else source.read(name))
        for name, data in replaced.items():
            target.writestr(name, data)
    return file.getvalue()


_MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_TYPES = "[Content_Types].xml"
_SHARED_STRINGS = (
    '<Override PartName="/xl/sharedStrings.xml" '
    'ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"/>'
)


def multiplied(rows: int, header: list[str], cells: list[str]) -> bytes:
    """A workbook all whose rows are alike: it has each text once, and shows it again and again."""
    texts = list(dict.fromkeys([*header, *cells]))
    table = f"<sst {_MAIN}>{''.join(f'<si><t>{text}</t></si>' for text in texts)}</sst>"
    shown = "".join(_row([texts.index(text) for text in row]) for row in (header, *[cells] * rows))
    sheet = f"<worksheet {_MAIN}><sheetData>{shown}</sheetData></worksheet>"
    content = book([*header])
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        types = archive.read(_TYPES).replace(b"</Types>", f"{_SHARED_STRINGS}</Types>".encode())
    parts = {_TYPES: types, "xl__sharedStrings_xml": table.encode(), "xl__worksheets__sheet1_xml": sheet.encode()}
    return with_parts(content, **parts)


def _row(texts: list[int]) -> str:
    cells = "".join(f'<c t="s"><v>{at}</v></c>' for at in texts)
    return f"<row>{cells}</row>"
