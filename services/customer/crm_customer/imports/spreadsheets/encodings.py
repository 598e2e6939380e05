"""In which encoding a text file is. One that could be several is the one whose text is plausible; else it is asked for.

Nearly any bytes are valid GB18030, and all are Windows-1252: that a file decodes says little.
"""

import codecs
import re
import unicodedata
from collections.abc import Callable, Collection, Mapping
from typing import BinaryIO

from crm_kit.errors import InvalidArgument

from crm_customer.imports.spreadsheets.code_pages import (
    CODE_PAGES,
    has_known_words,
    is_clear,
    is_likely,
    is_of_words,
    is_other_alphabet,
    is_usual_mark,
    likelihood,
    neighbours,
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
_NAMED_CANDIDATES = 4
_SHOWN = 60
_CELL_END = re.compile(r'[\r\n,;\t|"]+')
_WESTERN, _OTHER_ALPHABETS = "windows-1252", ("windows-1251", "windows-1253")
# Of words that a list may be of alone; one Chinese character is two Russian letters.
_SHORTEST = {_WESTERN: 2, **dict.fromkeys(_OTHER_ALPHABETS, 3)}
_RUN, _LATIN = re.compile(r"[^\x00-\x7f]+"), re.compile("[A-Za-z]")
# Of the rare half of GB 2312 those that many names of people, companies and places have.
_IN_NAMES = frozenset(
    "昕怡琪瑾璇淼煜晖钰莹蕾婷鑫曦晟昊旻霖颖嫣嫒娅婕媛婧妍姝娴岚峥嵘懿珏珂珑玮琦琨琰琳瑜瑛瑗璐璞璋焱炜烨燊睿瞿翊翎芸茜荃莘菁蓓蕙薇"
    "漪沅沐泓泽浚浔涵淇淳湛溢滢濮濠钊铉铭铮锴镕骁骏骅鸢鹃鹏麒麟龚邬郜郦郗邱邰邵邢阮韬祺祎禧筠箐闵闫臻暨圳埔墉岑岱崂嵩衢亳濉泸沭滁漯洛隗佟佘俞"
)
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
    return "utf-8" if _is_utf_8(file) else _most_plausible(file)


def _is_utf_8(file: BinaryIO) -> bool:
    """Whether it is UTF-8, and not a few words of another encoding that happen to be valid: 联通 of GBK is `ͨ`."""
    if not _decodes(file, "utf-8"):
        return False
    text = _sample(file, "utf-8")
    if text.isascii() or has_known_words(text):
        return True
    is_chinese = _decodes(file, "gb18030") and plausibility(_sample(file, "gb18030"), "gb18030") == 1
    return not is_chinese and not _mixes_alphabets(text)


def _most_plausible(file: BinaryIO) -> str:
    found: dict[str, float] = {}
    for encoding, least in _PLAUSIBLE.items():
        if _decodes(file, encoding):
            share = plausibility(_sample(file, encoding), encoding)
            if share >= least:
                found[encoding] = share
    best = max(found, key=lambda each: found[each], default=_WESTERN)
    if best == _WESTERN:
        readings = _rivals(file)
    else:
        others = (_WESTERN,) if best != "gb18030" and _WESTERN in found else _OTHER_ALPHABETS if found[best] < 1 else ()
        readings = {best: _sample(file, best)} | _in_words(file, others)
    if found and list(readings) == [best]:
        return best
    if readings:
        # Most programs of the West would show it so.
        raise _asked(readings | ({_WESTERN: _sample(file, _WESTERN)} if _decodes(file, _WESTERN) else {}))
    known = ", ".join(CODECS)
    raise unreadable(
        "unclear_encoding",
        "it is neither XLSX nor text whose encoding is clear; save it as XLSX or as CSV in UTF-8, "
        f"or tell its encoding: {known}",
        encodings=known,
    )


def _asked(readings: Mapping[str, str]) -> InvalidArgument:
    """The refusal of a file that may be in several encodings, with the first cell that each reads in its own way."""
    cells = [*zip(*(_CELL_END.split(text) for text in readings.values()), strict=False)]
    first = max(cells, key=lambda each: (len(set(each)), not "".join(each).isascii()))
    candidates = ", ".join(f"{name} ({cell.strip()[:_SHOWN]})" for name, cell in zip(readings, first, strict=True))
    return unreadable(
        "several_encodings",
        "its encoding may be one of several, which read the same bytes differently; tell which in layout.encoding, "
        f"or save it as XLSX or as CSV in UTF-8: {candidates}",
        candidates=candidates,
    )


def _rivals(file: BinaryIO) -> dict[str, str]:
    """The encodings of one byte that the text may well be in, the likeliest first, each with the text.

    Of encodings in which it is the same text, the first counts.
    """
    texts: dict[str, str] = {}
    for encoding in CODE_PAGES:
        if _decodes(file, encoding) and (text := _sample(file, encoding)) not in texts.values():
            texts[encoding] = text
    scores = {each: likelihood(text, each) for each, text in texts.items() if is_likely(text, each)}
    ranked = sorted(scores, key=lambda each: -scores[each])
    near = [each for each in ranked[1:] if not is_clear(texts[ranked[0]], ranked[0], texts[each], each)]
    return {each: texts[each] for each in [*ranked[:1], *near][:_NAMED_CANDIDATES]}


def _in_words(file: BinaryIO, encodings: Collection[str]) -> dict[str, str]:
    """Those of the encodings in which a text that may be Chinese is nothing but words, each with the text."""
    texts = {each: _sample(file, each) for each in encodings if _decodes(file, each)}
    return {each: text for each, text in texts.items() if is_of_words(text, _SHORTEST[each]) and is_likely(text, each)}


def _mixes_alphabets(text: str) -> bool:
    """Whether all that is beyond ASCII are letters of another alphabet within words of Latin ones: `Knاnou`."""
    return all(
        is_other_alphabet(each) and any(near.isascii() and near.isalpha() for near in (before, after))
        for before, each, after in neighbours(text)
    )


def plausibility(text: str, encoding: str) -> float:
    """Of the characters beyond ASCII, the share that text in this encoding usually has: 0 to 1."""
    usual = sum(_USUAL[encoding](before, each, after) for before, each, after in neighbours(text))
    count = sum(not each.isascii() for each in text)
    if encoding == "shift_jis" and not any(map(_is_word_sign, text)):
        return 0.0
    if encoding != _WESTERN and (_among_latin(text) or (encoding == "gb18030" and _is_korean(text))):
        return 0.0
    return usual / count if count else 1.0


def _is_word_sign(character: str) -> bool:
    """Whether it is a sign of Chinese or Japanese; wide Latin letters, digits and marks are none."""
    return unicodedata.category(character) == "Lo"


def _usual_chinese(_before: str, character: str, _after: str) -> bool:
    row = _lead(character, "gb2312")
    return 0xA1 <= row <= 0xA3 or 0xB0 <= row <= 0xD7 or character in _IN_NAMES


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
