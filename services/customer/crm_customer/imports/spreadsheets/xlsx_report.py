"""The report of what could not be imported, as XLSX. Imported only to write one: what it takes is 6 MB."""

from collections.abc import Iterable, Sequence
from typing import BinaryIO

import openpyxl
from crm_kit.formulas import neutralized
from openpyxl.cell import Cell, WriteOnlyCell
from openpyxl.worksheet._write_only import WriteOnlyWorksheet

from crm_customer.imports.spreadsheets.report import report_cells, report_header
from crm_customer.imports.spreadsheets.rows import BadRow


def write_xlsx_report(file: BinaryIO, header: Sequence[str], bad_rows: Iterable[BadRow]) -> int:
    """Writes one sheet, all cells as text. Returns how many rows; streams through a temporary file."""
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("errors")
    count = 0
    sheet.append(_text_cells(sheet, map(neutralized, report_header(header))))
    for row in bad_rows:
        sheet.append(_text_cells(sheet, report_cells(header, row)))
        count += 1
    book.save(file)
    return count


def _text_cells(sheet: WriteOnlyWorksheet, texts: Iterable[str]) -> list[Cell]:
    cells = [WriteOnlyCell(sheet, text) for text in texts]
    for cell in cells:
        cell.data_type = "s"
        cell.number_format = "@"
    return cells
