"""Keys as people type and copy them: what cannot be seen of a key is no part of it."""

import re
import unicodedata

# Characters that show nothing by themselves: format characters are told by their category, these are not.
_UNSEEN = re.compile("[\u034f\u115f\u1160\u180b-\u180f\u2800\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_ASCII = re.compile(r"[!-~]+")
_OF_WIDTH = ("<wide>", "<narrow>")


def tidied_name(text: str) -> str:
    """A name that is unique, as it is kept: in NFC, without what cannot be seen, with single blanks and none around."""
    if _ASCII.fullmatch(text):
        return text
    seen = (" " if _is_blank(each) else each for each in _UNSEEN.sub("", text) if unicodedata.category(each) != "Cf")
    return unicodedata.normalize("NFC", " ".join("".join(seen).split()))


def tidied_code(text: str) -> str:
    """A code, number or login as it is kept: as a name, and full-width letters and digits as plain ones."""
    if _ASCII.fullmatch(text):
        return text
    return tidied_name("".join(map(_of_one_width, tidied_name(text))))


def _is_blank(character: str) -> bool:
    return unicodedata.category(character) in ("Zs", "Zl", "Zp", "Cc")


def _of_one_width(character: str) -> str:
    is_of_width = unicodedata.decomposition(character).startswith(_OF_WIDTH)
    return unicodedata.normalize("NFKC", character) if is_of_width else character
