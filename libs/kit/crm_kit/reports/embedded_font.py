"""A font for reportlab whose texts can be searched and copied, also by characters beyond the first 65,536."""

import mmap
import re
from typing import Any

from reportlab.pdfbase.ttfonts import TTFont

_BEYOND = re.compile(r"(?<=> )<([0-9A-F]{5})>")


class EmbeddedFont(TTFont):
    """As reportlab embeds it, with such characters told in two halves (UTF-16) to who reads the text."""

    def __init__(self, name: str, descriptor: int) -> None:
        super().__init__(name, _Mapped(descriptor))

    def addObjects(self, doc: Any) -> None:
        super().addObjects(doc)
        for name, stream in doc.idToObject.items():
            if name.startswith("toUnicodeCMap:"):
                stream.content = in_halves(stream.content)


def in_halves(told: str) -> str:
    """What each sign of a font is (a ToUnicode CMap), as ISO 32000 wants it."""
    return _BEYOND.sub(lambda match: f"<{chr(int(match[1], 16)).encode('utf-16-be').hex().upper()}>", told)


class _Mapped:
    """A file that is read where it lies: all processes of a machine have its 11 MB in memory together."""

    def __init__(self, descriptor: int) -> None:
        self._bytes = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)

    def read(self) -> mmap.mmap:
        return self._bytes
