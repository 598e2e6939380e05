"""The font in which pages are drawn that name one for their Chinese or Japanese text and do not bring it.

Programs in China write such files, as readers used to have these fonts. Nothing is installed where services run, so
pdfium would leave the text out; it is given the font of our own PDFs.
"""

import ctypes
from functools import cached_property
from typing import Any

from pypdfium2 import PdfSysfontBase, raw

from crm_kit.reports.typeface import FONT, font_bytes

# Without types: what is in it is read from the header.
pdfium: Any = raw
CHARSETS = frozenset({pdfium.FXFONT_GB2312_CHARSET, pdfium.FXFONT_CHINESEBIG5_CHARSET, pdfium.FXFONT_SHIFTJIS_CHARSET})
# By which pdfium knows our font; its own are addresses.
OURS = 1


def give_missing_fonts() -> None:
    """Have pdfium draw so in this process, from now on."""
    fonts: Any = MissingFonts
    fonts().setup()


class MissingFonts(PdfSysfontBase):
    """What pdfium asks for, under the names of its header (`fpdf_sysfontinfo.h`)."""

    @cached_property
    def _font(self) -> bytes:
        return font_bytes()

    def MapFont(self, _: Any, weight: int, italic: int, charset: int, pitch: int, face: Any, exact: Any) -> Any:
        if charset in CHARSETS:
            return OURS
        return self.default.MapFont(self.default, weight, italic, charset, pitch, face, exact)

    def GetFontData(self, _: Any, font: int, table: int, buffer: Any, size: int) -> Any:
        if font != OURS:
            return self.default.GetFontData(self.default, font, table, buffer, size)
        # Single tables are asked for of collections of fonts only.
        return 0 if table else _given(self._font, buffer, size)

    def GetFaceName(self, _: Any, font: int, buffer: Any, size: int) -> Any:
        if font != OURS:
            return self.default.GetFaceName(self.default, font, buffer, size)
        return _given(f"{FONT}\0".encode(), buffer, size)

    def GetFontCharset(self, _: Any, font: int) -> Any:
        return pdfium.FXFONT_GB2312_CHARSET if font == OURS else self.default.GetFontCharset(self.default, font)

    def DeleteFont(self, _: Any, font: int) -> Any:
        return None if font == OURS else self.default.DeleteFont(self.default, font)


def _given(data: bytes, buffer: Any, size: int) -> int:
    """Write into a buffer that is large enough; how large one has to be."""
    if buffer and size >= len(data):
        ctypes.memmove(buffer, data, len(data))
    return len(data)
