"""What a page of HTML says, as text: lines where it has blocks, and nothing of what is not shown.

Read once from the beginning to the end: `html.parser` looks for the end of what has none from each place anew, and
takes hours for a page of some hundred kilobytes that somebody wrote for that.
"""

import re
from html import unescape

# What is not shown; what is in the first is no markup, either.
RAW = frozenset({"script", "style", "title"})
HIDDEN = RAW | {"head", "template"}
BLOCKS = frozenset(
    {"address", "article", "blockquote", "br", "dd", "div", "dl", "dt", "footer", "form", "h1", "h2", "h3", "h4", "h5"}
    | {"h6", "header", "hr", "li", "ol", "p", "pre", "section", "table", "tr", "ul"}
)
CELLS = frozenset({"td", "th"})
TAG = re.compile(r"<(/?)([a-z][^\s/>]*)", re.IGNORECASE)
# The end of a tag, or the beginning of a value that may have what looks like one.
TAG_END = re.compile(r"""=\s*(["'])|>""")
RAW_ENDS = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE) for name in RAW}
# Longer ones are no characters, and may be too long to be numbers.
LONG_NUMBER = re.compile(r"&#\d{8,}")


class _Text:
    """Gathers the text that is shown."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self._hidden = 0

    def data(self, written: str) -> None:
        if not self._hidden:
            self.parts.append(re.sub(r"\s+", " ", unescape(LONG_NUMBER.sub("&#0", written))))

    def tag(self, name: str, *, ends: bool) -> None:
        if name in HIDDEN:
            self._hidden = max(0, self._hidden + (-1 if ends else 1))
        # A page whose head is never ended is shown all the same.
        elif name == "body" and not ends:
            self._hidden = 0
        if name in BLOCKS:
            self.parts.append("\n")
        elif name in CELLS:
            self.parts.append(" ")


def text_of(page: str) -> str:
    """The text of a page, or of a part of one, however badly it is written."""
    text = _Text()
    place = 0
    while (begin := page.find("<", place)) >= 0:
        text.data(page[place:begin])
        place = _after_markup(page, begin, text)
    text.data(page[place:])
    lines = (" ".join(line.split()) for line in "".join(text.parts).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _after_markup(page: str, begin: int, text: _Text) -> int:
    """Where the page goes on behind what begins at a `<`: a tag, a comment, or the sign itself."""
    if found := TAG.match(page, begin):
        name = found[2].lower()
        place = _after_tag(page, found.end())
        text.tag(name, ends=bool(found[1]))
        return _after_raw(page, place, name) if name in RAW and not found[1] else place
    if page.startswith("<!--", begin):
        return _behind(page, "-->", begin + 4)
    if page.startswith(("<!", "<?", "</"), begin):
        return _behind(page, ">", begin + 2)
    text.data("<")
    return begin + 1


def _after_tag(page: str, place: int) -> int:
    """Behind the `>` of a tag that is no part of a value; a page that ends before that ends there."""
    while found := TAG_END.search(page, place):
        if not found[1]:
            return found.end()
        place = _behind(page, found[1], found.end())
    return len(page)


def _after_raw(page: str, place: int, name: str) -> int:
    """At the tag that ends what is no markup."""
    found = RAW_ENDS[name].search(page, place)
    return found.start() if found else len(page)


def _behind(page: str, end: str, place: int) -> int:
    """Behind the next `end`, or at the end of the page."""
    found = page.find(end, place)
    return found + len(end) if found >= 0 else len(page)
