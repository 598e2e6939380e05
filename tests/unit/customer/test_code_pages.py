"""Text of one byte a character: never read as another language's, and asked for where it may be one of several.

What the world's countries and regions are called in each language is the oracle: it knows nothing of our letters.
"""

import gettext
import io
import random
from collections.abc import Iterator

import pycountry
import pytest
from crm_customer.imports.spreadsheets.encodings import CODECS, encoding_of
from crm_kit.errors import InvalidArgument

WESTERN = {"de": "DE", "fr": "FR", "es": "ES", "pt": "PT", "nl": "NL", "da": "DK", "sv": "SE", "fi": "FI", "is": "IS"}
OTHERS = {
    **dict.fromkeys(("pl", "cs", "sk", "hu", "ro", "hr", "sl"), "cp1250"),
    **dict.fromkeys(("lt", "lv"), "cp1257"),
    "tr": "cp1254",
    "ru": "cp1251",
    "el": "cp1253",
}
COUNTRIES = {"cs": "CZ", "sl": "SI", "el": "GR"}
SAMPLES, NAMES = 15, 20


def names_in(language: str, country: str, codec: str) -> list[str]:
    translated = gettext.translation("iso3166-1", pycountry.LOCALES_DIR, [language], fallback=True)
    names = [translated.gettext(each.name) for each in pycountry.countries]
    names += [each.name for each in pycountry.subdivisions if each.country_code == country]
    return [name for name in names if not name.isascii() and name.encode(codec, "ignore").decode(codec) == name]


def texts(language: str, country: str, codec: str) -> Iterator[bytes]:
    known = names_in(language, country, codec)
    chance = random.Random(language)
    for _ in range(SAMPLES):
        chosen = chance.sample(known, min(NAMES, len(known)))
        yield "\n".join(["Name", *chosen, ""]).encode(codec)


def encoding(content: bytes) -> str:
    """The encoding; empty where it is asked for."""
    try:
        return encoding_of(io.BytesIO(content))
    except InvalidArgument as refused:
        assert refused.metadata["rule"] in {"several_encodings", "unclear_encoding"}
        return ""


@pytest.mark.parametrize("language", WESTERN)
def test_lists_in_western_languages_are_read(language: str) -> None:
    found = [encoding(content) for content in texts(language, WESTERN[language], "cp1252")]
    assert set(found) <= {"windows-1252", ""}
    # Names of all the world have letters of all of it: some lists are asked for.
    assert found.count("windows-1252") > SAMPLES * 3 / 4


@pytest.mark.parametrize(
    ("language", "codec"),
    [*OTHERS.items(), *((language, codec) for language in WESTERN for codec in ("cp850", "mac_roman"))],
)
def test_lists_in_other_encodings_never_become_other_names(language: str, codec: str) -> None:
    country = WESTERN.get(language) or COUNTRIES.get(language, language.upper())
    for content in texts(language, country, codec):
        read = encoding(content)
        assert not read or content.decode(CODECS[read]) == content.decode(codec)


@pytest.mark.parametrize(
    ("language", "codec"),
    [
        *((language, codec) for language in WESTERN for codec in ("cp1252", "cp850", "mac_roman")),
        *(each for each in OTHERS.items()),
        *((language, "cp852") for language in ("pl", "cs", "hu", "hr")),
        *(("uk", "cp1251"), ("et", "cp1257"), ("it", "cp1252"), ("ca", "cp1252"), ("ca", "mac_roman")),
    ],
)
def test_a_file_of_one_name_is_read_as_it_is_or_asked_about(language: str, codec: str) -> None:
    """A list of one name is the least that there is to go by."""
    country = WESTERN.get(language) or {**COUNTRIES, "uk": "UA", "et": "EE", "ca": "ES"}.get(language, language.upper())
    for name in dict.fromkeys(names_in(language, country, codec)):
        content = f"Name\n{name}\n".encode(codec)
        read = encoding(content)
        assert not read or content.decode(CODECS[read]) == content.decode(codec)


@pytest.mark.parametrize(("language", "codec"), [("zh_CN", "gbk"), ("zh_CN", "gb18030"), ("ja", "cp932")])
def test_a_file_of_one_chinese_or_japanese_name_is_read_and_not_asked_about(language: str, codec: str) -> None:
    for name in names_in(language, "", codec):
        assert encoding(f"Name\n{name}\n".encode(codec)) == ("shift_jis" if language == "ja" else "gb18030")


@pytest.mark.parametrize("name", ["联通", "史伟", "陆霞", "史强强", "魏伟", "毛伟", "陆煜瑾", "夏淼淼", "鑫昕"])
def test_chinese_words_whose_bytes_are_valid_utf_8_or_rare_are_read(name: str) -> None:
    assert encoding(f"Name,Phone\n{name},1\n".encode("gbk")) == "gb18030"


@pytest.mark.parametrize(
    "name", ["联通", "Ö", "Müller", "Zoë", "Ελλάδα", "Россия", "Đặng", "© 2026", "5 °C", "£5", "Ñu", "😀", "A股", "מים"]
)
def test_utf_8_stays_utf_8(name: str) -> None:
    assert encoding(f"Name\n{name}\n".encode()) == "utf-8"


@pytest.mark.parametrize(
    ("names", "codec", "candidate"),
    [
        ("Jäger & Schröder;Groß", "cp850", "ibm850 (Jäger & Schröder)"),
        ("Müller;Schröder;Groß", "mac_roman", "macintosh (Müller)"),
        ("Peña", "mac_roman", "macintosh (Peña)"),
        ("Erdő;Fűtőház", "cp1250", "windows-1250 (Erdő)"),
        ("Gdańsk", "cp1250", "windows-1250 (Gdańsk)"),
        ("Šiaulių bankas;Žalgiris", "cp1257", "windows-1257 (Šiaulių bankas)"),
        ("Klaipėda", "cp1257", "windows-1257 (Klaipėda)"),
        ("Yıldız", "cp1254", "windows-1254 (Yıldız)"),
        ("Компания Энергия", "cp1251", "windows-1251 (Компания Энергия)"),
        ("Erdő", "cp1250", "windows-1250 (Erdő), windows-1252 (Erdõ)"),
        ("Řecko", "cp1250", "windows-1250 (Řecko)"),
        ("Чили", "cp1251", "windows-1251 (Чили)"),
        ("Dir-Ás", "cp1252", "big5 (Dir-臃), windows-1252 (Dir-Ás)"),
        ("Żółw;Łódź", "cp852", "ibm852 (Żółw)"),
    ],
)
def test_what_may_be_another_encoding_is_asked_for_with_what_each_would_give(
    names: str, codec: str, candidate: str
) -> None:
    content = f"Name\n{names.replace(';', chr(10))}\n".encode(codec)
    with pytest.raises(InvalidArgument) as refused:
        encoding_of(io.BytesIO(content))
    assert refused.value.metadata["rule"] == "several_encodings"
    assert candidate in refused.value.metadata["candidates"]
    assert "layout.encoding" in refused.value.detail
    told = next(each for each in candidate.replace(",", " ").split() if CODECS.get(each) == codec)
    assert content.decode(CODECS[encoding_of(io.BytesIO(content), told)]) == content.decode(codec)


def test_the_question_shows_the_first_cell_that_the_encodings_read_differently() -> None:
    content = "Name;City\nMüller;Köln\nÉva;Fűtőház utca\n".encode("cp1250")
    with pytest.raises(InvalidArgument) as refused:
        encoding_of(io.BytesIO(content))
    told = "windows-1250 (Fűtőház utca), windows-1252 (Fûtõház utca)"
    assert refused.value.metadata == {"rule": "several_encodings", "candidates": told}


@pytest.mark.parametrize(
    "names",
    [
        *("Müller", "Société", "Citroën", "Jiménez", "O’Neill", "Ærø", "„Müller“ GmbH – Köln", "São Paulo;Conceição"),
        *("Søren;François;Müller;Größe;Bär", "Þór;Guðrún", "Löwe 5 €;Süd", "Hotel ©2026;Süd", "Länsipää;Hämeenlinna"),
    ],
)
def test_a_few_western_names_are_enough(names: str) -> None:
    content = f"Name\n{names.replace(';', chr(10))}\n".encode("cp1252")
    assert encoding(content) == "windows-1252"
