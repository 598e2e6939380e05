# /// script
# requires-python = ">=3.11"
# dependencies = ["fonttools==4.68.0", "justmytype-intl-cjk==0.1.0", "manimgx-fonts==2026.9.26.post1"]
# ///
"""Writes `guanxi-sans.ttf`, the font of PDFs, from fonts on PyPI: `uv run --script` and this file, a minute or two.

Noto comes as a font for each script and region, in all weights and with what layout engines need; a PDF takes one file
with plain outlines. So each character is taken, in the regular weight, from the first font that has it: Latin, Greek
and Cyrillic from Noto Sans, Chinese from Noto Sans SC, rare characters of names from Noto Sans TC and JP. All are under
the SIL Open Font License 1.1, and so is what is made of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.recordingPen import DecomposingRecordingPen
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont
from fontTools.ttLib.tables._g_l_y_f import Glyph

NAME = "Guanxi Sans"
REGULAR = {"wght": 400}
# In parts of a thousand of the size, as all of the fonts have them.
UNITS, ASCENT, DESCENT = 1000, 1069, -293
CJK = Path(str(files("justmytype_intl_cjk"))) / "fonts" / "ofl"
SOURCES = (
    Path(str(files("manimgx_fonts"))) / "NotoSans[wght].ttf",
    *(CJK / f"notosans{region.lower()}" / f"NotoSans{region}[wght].ttf" for region in ("SC", "TC", "JP")),
)
NOTDEF = ".notdef"
COPYRIGHT = (
    "Copyright 2022 The Noto Project Authors (https://github.com/notofonts/latin-greek-cyrillic). "
    "Copyright 2014-2021 Adobe (http://www.adobe.com/), with Reserved Font Name 'Source'."
)
LICENSE = "This Font Software is licensed under the SIL Open Font License, Version 1.1."


@dataclass
class Made:
    """The glyphs so far, each under its number, and the characters that they are of."""

    glyphs: dict[str, Glyph] = field(default_factory=dict)
    widths: dict[str, int] = field(default_factory=dict)
    characters: dict[int, str] = field(default_factory=dict)

    def take(self, path: Path) -> None:
        """What a font has beyond those before."""
        font = TTFont(path)
        outlines = font.getGlyphSet(location=REGULAR)
        names: dict[str, str] = {}
        for character, glyph in self._wanted(font.getBestCmap()):
            if glyph not in names:
                names[glyph] = self._add(outlines, glyph, str(len(self.glyphs)))
            self.characters[character] = names[glyph]
        if NOTDEF not in self.glyphs:
            self._add(outlines, NOTDEF, NOTDEF)

    def _wanted(self, has: dict[int, str]) -> Iterator[tuple[int, str]]:
        for character, glyph in sorted(has.items()):
            if character >= ord(" ") and character not in self.characters:
                yield character, glyph

    def _add(self, outlines: dict[str, Glyph], glyph: str, name: str) -> str:
        # Whole: parts that glyphs share would have to be taken, too.
        drawn, pen = DecomposingRecordingPen(outlines), TTGlyphPen(None)
        outlines[glyph].draw(drawn)
        drawn.replay(pen)
        self.glyphs[name], self.widths[name] = pen.glyph(), round(outlines[glyph].width)
        return name

    def write(self, path: Path) -> None:
        """The same bytes whenever it is made."""
        build = FontBuilder(UNITS, isTTF=True)
        build.setupGlyphOrder([NOTDEF, *(each for each in self.glyphs if each != NOTDEF)])
        build.setupCharacterMap(self.characters)
        build.setupGlyf(self.glyphs)
        # Where outlines begin is known from now on.
        metrics = {name: (width, getattr(self.glyphs[name], "xMin", 0)) for name, width in self.widths.items()}
        build.setupHorizontalMetrics(metrics)
        build.setupHorizontalHeader(ascent=ASCENT, descent=DESCENT)
        said = {"copyright": COPYRIGHT, "licenseDescription": LICENSE, "licenseInfoURL": "https://openfontlicense.org"}
        called = {"familyName": NAME, "styleName": "Regular", "fullName": NAME, "psName": NAME.replace(" ", "")}
        build.setupNameTable({**called, **said}, mac=False)
        build.setupOS2(sTypoAscender=ASCENT, sTypoDescender=DESCENT, usWinAscent=ASCENT, usWinDescent=-DESCENT)
        build.setupPost(keepGlyphNames=False)
        build.updateHead(created=0, modified=0)
        build.font.recalcTimestamp = False
        # Whoever has it in memory keeps what it was.
        fresh = path.with_suffix(".new")
        build.save(fresh)
        fresh.replace(path)


def main() -> None:
    made = Made()
    for each in SOURCES:
        made.take(each)
    made.write(Path(__file__).with_name("guanxi-sans.ttf"))


if __name__ == "__main__":
    main()
