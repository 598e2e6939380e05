"""The font of PDFs: a file takes with it the outlines of those characters that it shows, whatever its reader has.

`fonts/guanxi-sans.ttf` has Chinese, also rare characters of names, Latin, Greek and Cyrillic, and signs of currencies.
What it has not, such as emoji, is a box.
"""

from functools import cache
from importlib.resources import as_file, files
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reportlab.pdfgen.canvas import Canvas

FONT = "GuanxiSans"
# Outlines are read at one place of the file, which all threads move.
_reading = Lock()


def register_font() -> None:
    """Make it known to reportlab, once in a process: it takes a tenth of a second."""
    with _reading:
        _register()


def save(canvas: "Canvas") -> None:
    """Write the file, with the outlines of what it shows."""
    with _reading:
        canvas.save()


def plain(text: str) -> str:
    """The text in one line, without what no font shows."""
    return " ".join("".join(each if each.isprintable() else " " * each.isspace() for each in text).split())


@cache
def _register() -> None:
    # 8 MB that only those need who make a PDF, and 13 MB of what is known of characters.
    from reportlab.pdfbase.pdfmetrics import registerFont

    from crm_kit.reports.embedded_font import EmbeddedFont

    with as_file(files(__package__) / "fonts" / "guanxi-sans.ttf") as path, path.open("rb") as file:
        registerFont(EmbeddedFont(FONT, file.fileno()))
