"""The answer of a report as a PDF: its charts and pages of a table, with its name, the day and the page. Pure."""

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any

from crm_kit.notice_texts import Language
from crm_kit.reports.charts import drawing_of
from crm_kit.reports.model import Chart
from crm_kit.reports.plots import plots_of
from crm_kit.reports.table import ReportTable
from crm_kit.reports.typeface import FONT, plain, register_font, save
from crm_kit.spreadsheets.kinds import Kind

if TYPE_CHECKING:
    from reportlab.graphics.shapes import Drawing
    from reportlab.pdfgen.canvas import Canvas

MEDIA_TYPE = "application/pdf"
TITLE_SIZE, SIZE, LEADING = 14.0, 9.0, 12.0
# In points: A4 lying, and what is left free around it and between columns.
WIDTH, HEIGHT, MARGIN, GAP = 841.89, 595.28, 36.0, 8.0
# What a column is given before there is room to spare, and of a very long cell so many lines.
MIN_COLUMN, MAX_LINES = 40.0, 4
# A table begins where there is room for so many.
MIN_ROWS = 3
MORE = "…"
ROUNDED = 0.001
Measure = Callable[[str], float]


def pdf_of(answer: Any, language: Language, *, name: str, day: date, chart: Chart = Chart.TABLE) -> bytes:
    """The whole file; it may take a while. Charts come first, as the report shows its answer."""
    # 8 MB that only those need who make one.
    from reportlab.pdfbase.pdfmetrics import stringWidth
    from reportlab.pdfgen.canvas import Canvas

    register_font()
    table, file = ReportTable(answer, language), io.BytesIO()
    canvas = Canvas(file, pagesize=(WIDTH, HEIGHT), invariant=True)
    canvas.setTitle(plain(name))
    rows = [table.header(), *table.rows()]
    measure = partial(stringWidth, fontName=FONT, fontSize=SIZE)
    pages = _Pages(canvas, f"{name}  {day.isoformat()}", table.kinds(), widths_of(rows, measure), measure)
    for plot in plots_of(answer, chart, language):
        pages.draw_chart(drawing_of(plot, WIDTH - 2 * MARGIN, FONT, partial(cut_to, measure=measure)))
    pages.draw(rows)
    save(canvas)
    return file.getvalue()


def widths_of(rows: Sequence[Sequence[str]], measure: Measure) -> list[float]:
    """How wide columns are, all together as wide as the page: as their cells want it, the widest ones cut first."""
    free = WIDTH - 2 * MARGIN
    wanted = [max(MIN_COLUMN, *(measure(cell) + GAP for cell in column)) for column in zip(*rows, strict=True)]
    most = free
    # The smallest bound by which all fit, so that narrow columns keep what they want.
    for done, width in enumerate(sorted(wanted)):
        most = free / (len(wanted) - done)
        if width > most:
            break
        free -= width
    return [min(each, most) for each in wanted]


def lines_of(text: str, width: float, measure: Measure) -> list[str]:
    """The text in lines that are no wider, broken at blanks where there are any; at most so many, the rest cut off."""
    lines: list[str] = []
    left = plain(text)
    while left:
        end = fitting(left, width, measure)
        if end < len(left):
            blank = left.rfind(" ", 0, end + 1)
            end = blank if blank > 0 else end
        if len(lines) == MAX_LINES - 1 and end < len(left):
            cut = left[: fitting(left, width - measure(MORE), measure)]
            return [*lines, f"{cut.rstrip()}{MORE}"]
        lines.append(left[:end].rstrip())
        left = left[end:].lstrip()
    return lines or [""]


def cut_to(text: str, width: float, measure: Measure) -> str:
    """The text in one line that is no wider, cut off where it is."""
    line = plain(text)
    if measure(line) <= width:
        return line
    return f"{line[: fitting(line, width - measure(MORE), measure)].rstrip()}{MORE}"


def fitting(text: str, width: float, measure: Measure) -> int:
    """How many characters from the first one on are no wider; one at least."""
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if measure(text[:middle]) <= width else (low, middle - 1)
    return low


@dataclass(slots=True)
class _Pages:
    """Draws from the top of a page downwards, and goes on on the next one: rows under the same header."""

    canvas: "Canvas"
    title: str
    kinds: Sequence[Kind]
    widths: Sequence[float]
    measure: Measure
    top: float = 0.0
    page: int = 0

    def draw_chart(self, drawing: "Drawing") -> None:
        """On the page that it has room on."""
        from reportlab.graphics.renderPDF import draw

        if self.page == 0 or self.top - drawing.height < MARGIN:
            self._begin()
        self.top -= drawing.height
        draw(drawing, self.canvas, MARGIN, self.top)
        self.canvas.setFont(FONT, SIZE)
        self.top -= LEADING

    def draw(self, rows: Sequence[Sequence[str]]) -> None:
        """The table: its first rows below charts where there is room for some."""
        header, *rest = (self._in_lines(row) for row in rows)
        if self.page == 0 or self.top - sum(map(_height, (header, *rest[:MIN_ROWS]))) < MARGIN:
            self._begin()
        self._row(header)
        for row in rest:
            if self.top - _height(row) < MARGIN:
                self._begin()
                self._row(header)
            self._row(row)

    def _in_lines(self, row: Sequence[str]) -> list[list[str]]:
        # A cell that is as wide as its column stays in one line, however sums are rounded.
        rooms = [width - GAP + ROUNDED for width in self.widths]
        return [lines_of(cell, room, self.measure) for cell, room in zip(row, rooms, strict=True)]

    def _begin(self) -> None:
        if self.page:
            self.canvas.showPage()
        self.page += 1
        self.canvas.setFont(FONT, TITLE_SIZE)
        (title, *_) = lines_of(self.title, (WIDTH - 2 * MARGIN) * SIZE / TITLE_SIZE, self.measure)
        self.canvas.drawString(MARGIN, HEIGHT - MARGIN - TITLE_SIZE, title)
        self.canvas.setFont(FONT, SIZE)
        self.canvas.drawRightString(WIDTH - MARGIN, MARGIN / 2, str(self.page))
        self.top = HEIGHT - MARGIN - 2 * TITLE_SIZE

    def _row(self, row: Sequence[Sequence[str]]) -> None:
        for left, width, kind, lines in self._places(row):
            for number, line in enumerate(lines, 1):
                bottom = self.top - number * LEADING
                if kind is Kind.NUMBER:
                    self.canvas.drawRightString(left + width - GAP, bottom, line)
                else:
                    self.canvas.drawString(left, bottom, line)
        self.top -= _height(row)
        self.canvas.setLineWidth(0.25)
        self.canvas.line(MARGIN, self.top, MARGIN + sum(self.widths), self.top)

    def _places(self, row: Sequence[Sequence[str]]) -> Iterator[tuple[float, float, Kind, Sequence[str]]]:
        left = MARGIN
        for width, kind, lines in zip(self.widths, self.kinds, row, strict=True):
            yield left, width, kind, lines
            left += width


def _height(row: Sequence[Sequence[str]]) -> float:
    return max(map(len, row)) * LEADING + LEADING / 3
