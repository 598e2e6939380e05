"""The rows that an import could not take, as a file, with what is wrong in the language of whoever reads it."""

from collections.abc import Mapping
from typing import Any

from crm_kit.formulas import neutralized
from crm_kit.spreadsheets import xlsx_file

from crm_gateway.exports import csv_file
from crm_gateway.problems import LabelsOf
from crm_gateway.texts.catalogue import SEPARATORS, Language
from crm_gateway.translation.imports import translate_row_errors

# Between the column and what is wrong there.
COLONS: Mapping[Language, str] = {"en": ": ", "zh": "："}


def write_csv(report: Any, language: Language, labels_of: LabelsOf) -> bytes:
    """An `ImportReport` of rows as CSV; cells that a spreadsheet would compute begin with an apostrophe."""
    file = csv_file.CsvFile()
    for row in _rows(report, language, labels_of):
        file.write(row)
    return file.end()


def write_xlsx(report: Any, language: Language, labels_of: LabelsOf) -> bytes:
    """The same as a workbook, all cells as text."""
    file = xlsx_file.XlsxFile()
    for row in _rows(report, language, labels_of):
        file.write([neutralized(cell) for cell in row])
    return file.end()


def _rows(report: Any, language: Language, labels_of: LabelsOf) -> list[list[str]]:
    rows = [list(report.header)]
    for row in report.rows:
        translate_row_errors(row, language, labels_of)
        told = (f"{each.column}{COLONS[language]}{each.detail}" if each.column else each.detail for each in row.errors)
        rows.append([*row.cells, SEPARATORS[language].join(told)])
    return rows
