"""Texts that a spreadsheet must not compute, in files that we write and files that come back.

A cell that begins with one of these characters is a formula to spreadsheet programs, also in full width (OWASP, "CSV
Injection"); numbers and telephone numbers are none. An apostrophe before it makes it text. A text that begins with
such an apostrophe of its own gets another, so what is restored is always what was written.
"""

import re

_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")
_NEUTRALIZED = re.compile(r"'+[=+\-@\t\r\n＝＋－＠]")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


def neutralized(text: str) -> str:
    """The text with an apostrophe before it, if a spreadsheet program would take it for a formula."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def restored(text: str) -> str:
    """What `neutralized` was given."""
    return text[1:] if _NEUTRALIZED.match(text) else text
