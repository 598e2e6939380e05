"""In which encoding a text file is. One that could be several is the one whose text is plausible; else it is asked for.

Nearly any bytes are valid GB18030, and all are Windows-1252: that a file decodes says little.
"""

import codecs
import math
import re
from collections.abc import Callable, Mapping
from typing import BinaryIO

from crm_customer.imports.spreadsheets.code_pages import (
    CODE_PAGES,
    is_likely,
    is_usual_mark,
    likelihood,
    neighbours,
    sample,
)
from crm_customer.imports.spreadsheets.refusal import unreadable

CODECS: Mapping[str, str] = {
    "utf-8": "utf-8-sig",
    "utf-16": "utf-16",
    "gb18030": "gb18030",
    "big5": "cp950",
    "shift_jis": "cp932",
    "euc-kr": "cp949",
    "macintosh": "mac_roman",
    "ibm850": "cp850",
    "ibm852": "cp852",
    **{f"windows-{number}": f"cp{number}" for number in range(1250, 1259)},
}
"""Encodings that can be told, by the names of the WHATWG or IANA, and the codec that reads each."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CHUNK = 1 << 20
_SAMPLE_CHARACTERS = 20_000
# Of the characters beyond ASCII, the share that must be usual ones.
_PLAUSIBLE = {"gb18030": 0.5, "big5": 0.7, "shift_jis": 0.7, "euc-kr": 0.7, "windows-1252": 0.9}
# So much more likely the text must be in windows-1252 than in any other encoding of one byte, as a logarithm.
_MARGIN = math.log(4)
_NAMED_CANDIDATES = 4
_RUN, _LATIN = re.compile(r"[^\x00-\x7f]+"), re.compile("[A-Za-z]")
# So many Chinese characters are hardly ever all from the first half of the alphabet.
_ENOUGH_HANZI = 12


def encoding_of(file: BinaryIO, told: str = "") -> str:
    """The name of the file's encoding, among `CODECS`. UPLOAD_UNREADABLE when it is not what was told, or unclear."""
    if told:
        if not _decodes(file, told):
            raise unreadable("told_encoding", f"it is not {told}", encoding=told)
        return told
    start = file.read(4)
    for bom, encoding in _BOMS:
        if start.startswith(bom):
            if _decodes(file, encoding):
                return encoding
            raise unreadable("said_encoding", f"it says it is {encoding} and is not", encoding=encoding)
    return "utf-8" if _decodes(file, "utf-8") else _most_plausible(file)


def _most_plausible(file: BinaryIO) -> str:
    found: dict[str, float] = {}
    for encoding, least in _PLAUSIBLE.items():
        if _decodes(file, encoding):
            share = plausibility(_sample(file, encoding), encoding)
            if share >= least:
                found[encoding] = share
    best = max(found, key=lambda each: found[each], default="windows-1252")
    if best != "windows-1252":
        return best
    rivals = _rivals(file)
    if found and list(rivals) == [best]:
        return best
    if rivals:
        told = ", ".join(f"{encoding} ({words})" for encoding, words in rivals.items())
        raise unreadable(
            "several_encodings",
            f"its encoding may be one of several; tell which, or save it as XLSX or as CSV in UTF-8: {told}",
            candidates=told,
        )
    known = ", ".join(CODECS)
    raise unreadable(
        "unclear_encoding",
        "it is neither XLSX nor text whose encoding is clear; save it as XLSX or as CSV in UTF-8, "
        f"or tell its encoding: {known}",
        encodings=known,
    )


def _rivals(file: BinaryIO) -> dict[str, str]:
    """The encodings of one byte that the text may well be in, the likeliest first, each with words as they are there.

    Of encodings in which it is the same text, the first counts.
    """
    texts: dict[str, str] = {}
    for encoding in CODE_PAGES:
        if _decodes(file, encoding) and (text := _sample(file, encoding)) not in texts.values():
            texts[encoding] = text
    scores = {each: likelihood(text, each) for each, text in texts.items() if is_likely(text, each)}
    ranked = sorted(scores, key=lambda each: -scores[each])
    near = [each for each in ranked if scores[each] > scores[ranked[0]] - _MARGIN][:_NAMED_CANDIDATES]
    return {each: sample(texts[each]) for each in near}


def plausibility(text: str, encoding: str) -> float:
    """Of the characters beyond ASCII, the share that text in this encoding usually has: 0 to 1."""
    usual = sum(_USUAL[encoding](before, each, after) for before, each, after in neighbours(text))
    count = sum(not each.isascii() for each in text)
    if encoding != "windows-1252" and (_among_latin(text) or (encoding == "gb18030" and _is_korean(text))):
        return 0.0
    return usual / count if count else 1.0


def _usual_chinese(_before: str, character: str, _after: str) -> bool:
    row = _lead(character, "gb2312")
    return 0xA1 <= row <= 0xA3 or 0xB0 <= row <= 0xD7


def _usual_traditional(_before: str, character: str, _after: str) -> bool:
    return 0xA1 <= _lead(character, "cp950") <= 0xC6


def _usual_japanese(_before: str, character: str, _after: str) -> bool:
    # Half-width katakana are single bytes: other encodings' bytes look like them.
    row = _lead(character, "cp932") if not "｡" <= character <= "ﾟ" else 0
    return 0x81 <= row <= 0x83 or 0x88 <= row <= 0x98


def _usual_korean(_before: str, character: str, _after: str) -> bool:
    return "가" <= character <= "힣" and 0xB0 <= _lead(character, "cp949") <= 0xC8


def _usual_western(before: str, character: str, after: str) -> bool:
    """A letter within a word, in its case, or a mark that word processors set around words."""
    if not character.isalpha():
        return is_usual_mark(before, character, after)
    within = before.isalpha() or after.isalpha()
    return character.isalpha() and within and not (character.isupper() and before.islower())


def _among_latin(text: str) -> bool:
    """Whether most are in words with Latin letters: those are of another encoding, `Pe紡` for Peña."""
    places = [run.span() for run in _RUN.finditer(text)]
    runs = [(end - start, text[max(start - 1, 0) : start] + text[end : end + 1]) for start, end in places]
    mixed = sum(length for length, around in runs if _LATIN.search(around))
    return 2 * mixed > sum(length for length, _ in runs)


def _is_korean(text: str) -> bool:
    """Chinese is spread over the rows of GB 2312, Korean takes only those of the first half."""
    rows = [row for each in text if (row := _lead(each, "gb2312")) >= 0xB0]
    return len(rows) >= _ENOUGH_HANZI and max(rows) <= 0xC8


_USUAL: Mapping[str, Callable[[str, str, str], bool]] = {
    "gb18030": _usual_chinese,
    "big5": _usual_traditional,
    "shift_jis": _usual_japanese,
    "euc-kr": _usual_korean,
    "windows-1252": _usual_western,
}


def _lead(character: str, codec: str) -> int:
    """The first of the character's two bytes; 0 if it has not two."""
    coded = character.encode(codec, "ignore")
    return coded[0] if len(coded) == 2 else 0


def _sample(file: BinaryIO, encoding: str) -> str:
    """Lines that are not ASCII alone, from the first on."""
    lines, size = [], 0
    file.seek(0)
    reader = codecs.getreader(CODECS[encoding])(file)
    while size < _SAMPLE_CHARACTERS and (line := reader.readline(_CHUNK)):
        if not line.isascii():
            lines.append(line)
            size += len(line)
    file.seek(0)
    return "".join(lines)


def _decodes(file: BinaryIO, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(CODECS[encoding])()
    file.seek(0)
    try:
        while chunk := file.read(_CHUNK):
            if "\0" in decoder.decode(chunk):
                return False
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    finally:
        file.seek(0)
    return True
