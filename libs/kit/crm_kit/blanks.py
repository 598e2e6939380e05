"""What people cannot see in a text."""

import unicodedata

_FILLERS = frozenset("\u115f\u1160\u2800\u3164\uffa0")


def is_visible(character: str) -> bool:
    """Whether there is something to see: no blank, control or format character, and no filler."""
    return unicodedata.category(character)[0] not in "CZ" and character not in _FILLERS
