"""Bytes of mails as text, whatever they say of themselves."""

import re

# What programs call a code page, and the larger one that they mean.
MEANT = {
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "hz": "hz",
    "big5": "cp950",
    "euc-kr": "cp949",
    "ks_c_5601-1987": "cp949",
    "iso-8859-1": "cp1252",
    "us-ascii": "utf-8",
    "shift_jis": "cp932",
}
# Tried in turn where that does not fit, or nothing is said: the first is never taken for another by chance.
LIKELY = ("utf-8", "gb18030")
# Control characters but for tabs and ends of lines; databases take no NUL, and nobody can read the others.
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufeff]")


def as_text(data: bytes, charset: str | None = None) -> str:
    """The bytes as text: by the charset that is named if they fit it, else by a likely one, with `�` for the rest."""
    for name in (_codec(charset), *LIKELY):
        if name is None:
            continue
        try:
            return without_controls(data.decode(name))
        except UnicodeError:
            continue
    return without_controls(data.decode(_codec(charset) or "utf-8", errors="replace"))


def without_controls(text: str) -> str:
    """The text without what nobody can read, its lines ended alike."""
    return CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def _codec(charset: str | None) -> str | None:
    """The codec that is meant; None where there is none for texts, or none that passes over what is broken (`idna`)."""
    name = (charset or "").strip().strip("\"'").lower()
    name = MEANT.get(name, name)
    try:
        b"\xff".decode(name, errors="replace")
    except (LookupError, ValueError):
        return None
    return name
