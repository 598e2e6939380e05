"""Names of countries and their subdivisions as people write them, to ISO 3166-1 alpha-2 and ISO 3166-2.

The names are those of the standard in many languages, from Debian's iso-codes by way of pycountry; beside them stand
the short names that lists use and the standard does not have.
"""

import gettext
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import cache, lru_cache

import pycountry
from crm_kit.regions import is_region

from crm_customer.imports.spreadsheets import wording

# ISO 3166-2:CN, 34 subdivisions: code, Chinese short name, names in Latin letters.
_PROVINCES = """
AH 安徽 Anhui; BJ 北京 Beijing Peking; CQ 重庆 Chongqing; FJ 福建 Fujian; GD 广东 Guangdong Canton; GS 甘肃 Gansu
GX 广西 Guangxi; GZ 贵州 Guizhou; HA 河南 Henan; HB 湖北 Hubei; HE 河北 Hebei; HI 海南 Hainan; HK 香港 Hongkong
HL 黑龙江 Heilongjiang; HN 湖南 Hunan; JL 吉林 Jilin; JS 江苏 Jiangsu; JX 江西 Jiangxi; LN 辽宁 Liaoning
MO 澳门 Macao Macau; NM 内蒙古 Neimenggu InnerMongolia NeiMongol; NX 宁夏 Ningxia; QH 青海 Qinghai; SC 四川 Sichuan
SD 山东 Shandong; SH 上海 Shanghai; SN 陕西 Shaanxi; SX 山西 Shanxi; TJ 天津 Tianjin; TW 台湾 Taiwan; XJ 新疆 Xinjiang
XZ 西藏 Xizang Tibet; YN 云南 Yunnan; ZJ 浙江 Zhejiang
"""
# What people call countries beside what the standard calls them.
_COUNTRIES = """
AE 阿联酋 UAE
BN 汶莱; BO 玻利维亚; CD 刚果金 DRCongo; CZ CzechRepublic; GB 英国 UK GreatBritain Britain England
ID 印尼
IR 伊朗 Iran; KH 高棉
KP 朝鲜 NorthKorea; KR 韩国 南韩 SouthKorea Korea; LA 老挝 寮国 Laos
MD 摩尔多瓦 Moldova
MK 北马其顿 Macedonia; NL Holland TheNetherlands; NZ 纽西兰; PS 巴勒斯坦 Palestine
RU 俄罗斯 Russia Россия; SA 沙特 沙乌地阿拉伯 KSA
SY 叙利亚 Syria; TR Turkey 土耳其; TZ 坦桑尼亚 Tanzania; US 美国 美利坚 America; VA 梵蒂冈 Vatican
VE 委内瑞拉 Venezuela; VN 越南 Vietnam
"""
# Subdivisions by the short names that Chinese lists use.
_SHORT = "US-CA 加州; US-TX 德州; US-FL 佛州; US-WA 华盛顿州; AU-NSW 新州; AU-VIC 维州; CA-ON 安省; CA-BC 卑诗省 BC省"
# What people in a country call its subdivisions in short; elsewhere these are other words.
_ABBREVIATED = """
US-AL Ala; US-AZ Ariz; US-AR Ark; US-CA Calif Cal; US-CO Colo; US-CT Conn; US-DE Del; US-FL Fla; US-IL Ill; US-IN Ind
US-KS Kans Kan; US-MA Mass; US-MI Mich; US-MN Minn; US-MS Miss; US-MT Mont; US-NE Neb Nebr; US-NV Nev; US-NM NMex
US-ND NDak; US-OK Okla; US-OR Ore Oreg; US-PA Penn Penna; US-SD SDak; US-TN Tenn; US-TX Tex; US-WA Wash; US-WV WVa
US-WI Wis Wisc; US-WY Wyo; US-DC WashingtonDC DistrictofColumbia
CA-AB Alta; CA-MB Man; CA-NL Newfoundland; CA-ON Ont; CA-QC Que PQ; CA-SK Sask; AU-QLD Queensland; AU-TAS Tas
DE-NW NRW; DE-BW BaWü; DE-MV MeckPomm Meck-Pomm; DE-RP RLP RhPf; DE-NI Nds NDS; DE-ST LSA; DE-BY Bay; DE-SH SchlH
FR-PAC PACA; FR-NAQ Aquitaine; MX-CMX CDMX DF; MX-MEX Edomex; ES-MD Madrid; GB-NIR NI; CZ-10 Prague
"""
_LANGUAGES = (
    *("en", "zh_CN", "zh_TW", "zh_HK", "de", "fr", "es", "it", "pt", "pt_BR", "nl", "ca", "pl", "cs", "sk", "hu", "ro"),
    *("sv", "da", "nb_NO", "fi", "is", "et", "lv", "lt", "ru", "uk", "be", "bg", "sr", "hr", "bs", "sl", "mk", "sq"),
    *("el", "tr", "he", "ar", "fa", "hi", "bn", "ta", "th", "vi", "id", "ms", "km", "lo", "my", "ja", "ko", "mn", "kk"),
    *("ka", "hy", "az", "uz", "ur"),
)
_WITHOUT_COUNTRY = ("en", "zh_CN", "zh_TW")
_CODE = re.compile(r"([A-Z]{2})(-[A-Z0-9]{1,3})?")
# What follows a province's short name in its full name.
_ENDINGS = re.compile(r"(省|市|特别行政区|(壮族|回族|维吾尔)?自治区|province|municipality|autonomousregion|sar)?")
# Behind a name, what kind of subdivision it is: `Seoul-teukbyeolsi`, `Praha, Hlavní město`.
_BEHIND = re.compile(r",.*|-(teukbyeolsi|gwangyeoksi|teukbyeoljachi(si|do)|do)$")
# What a subdivision is called that is not its name.
_KINDS = re.compile(
    r"(?<=.)(州|省|市|县|府|都|道|区|自治区|大区|state|province|prefecture|region|oblast|county|ken|fu|to|land|canton)$"
)


@lru_cache(maxsize=4096)
def region_code(text: str, country: str = "") -> str | None:
    """`广东省`, `Guangdong`, `广东省深圳市`, `CN-GD`, `德国`, `Deutschland`, `DE` to a code; None if unknown.

    With a `country` (ISO 3166-1 alpha-2) only its subdivisions and itself are meant: `CA` of the US is `US-CA`.
    """
    if country:
        return _within(text, country)
    code = unicodedata.normalize("NFKC", text).strip().upper()
    known = _CODE.fullmatch(code)
    if known and (known[2] or is_region(code)):
        return code if is_region(code) else None
    plain = _plain(text)
    return _china_first(plain) or _unique_subdivisions().get(plain) or _unique_subdivisions().get(_bare(plain))


@lru_cache(maxsize=4096)
def state_code(text: str, country: str) -> str | None:
    """A subdivision of that country, or of whichever alone has one of that name; None if unknown. Never a country."""
    found = _within(text, country)
    if found and "-" in found:
        return found
    code = unicodedata.normalize("NFKC", text).strip().upper()
    if "-" in code and is_region(code):
        return code
    plain = _plain(text)
    return _province(plain) or _unique_subdivisions().get(plain) or _unique_subdivisions().get(_bare(plain))


@cache
def examples_of(country: str) -> tuple[str, ...]:
    """How a subdivision of a country (ISO 3166-1 alpha-2) may be written: by name and by code.

    The country's own code, where it has none; without a country, of several.
    """
    if not country:
        return ("广东", "CN-GD", "DE")
    if country == "CN":
        return ("广东", "CN-GD")
    several = [each for each in pycountry.subdivisions if each.country_code == country and not each.parent_code]
    if not several:
        return (country,)
    first = min(several, key=lambda each: str(each.code))
    return (_BEHIND.sub("", first.name), first.code)


def _within(text: str, country: str) -> str | None:
    plain = _plain(text)
    if country == "CN" and (province := _province(plain)):
        return province
    code = unicodedata.normalize("NFKC", text).strip().upper()
    full = code if code.startswith(f"{country}-") else f"{country}-{code}"
    if is_region(full):
        return full
    names = _subdivisions(country)
    found = names.get(plain) or names.get(_bare(plain))
    if found is None and (code == country or _countries().get(plain) == country):
        return country
    return found


def _china_first(plain: str) -> str | None:
    """A province of China, which lists name without their country, or a country."""
    return _province(plain) or _countries().get(plain)


def _province(plain: str) -> str | None:
    rest = plain.removeprefix("中国").removeprefix("china")
    for name, code in _province_names().items():
        if rest.startswith(name) and _fits(rest.removeprefix(name)):
            return code
    return None


def _fits(rest: str) -> bool:
    """Whether this may follow a province's name: the rest of its full name, then in Chinese a city."""
    ending = _ENDINGS.match(rest)
    after = rest[ending.end() :] if ending else rest
    return not after or not after.isascii()


def _plain(text: str) -> str:
    """As words are compared, and without accents."""
    letters = unicodedata.normalize("NFKD", text.replace("ß", "ss").replace("ø", "o").replace("Ø", "O"))
    return wording.plain("".join(each for each in letters if not "\u0300" <= each <= "\u036f"))


def _bare(plain: str) -> str:
    return _KINDS.sub("", plain)


@cache
def _province_names() -> dict[str, str]:
    return dict(_entries(_PROVINCES, "CN-"))


@cache
def _countries() -> dict[str, str]:
    names = dict(_entries(_COUNTRIES))
    translations = _translations("iso3166-1", _LANGUAGES)
    # The first who has a name keeps it, and all have their English and Chinese ones before others have theirs.
    for translation in translations:
        for country in pycountry.countries:
            for kind in ("name", "common_name", "official_name", "alpha_3"):
                if name := getattr(country, kind, None):
                    names.setdefault(_plain(translation.gettext(name)), country.alpha_2)
    return names


@lru_cache(maxsize=32)
def _subdivisions(country: str) -> dict[str, str]:
    """Names of a country's subdivisions."""
    short = (*_entries(_SHORT), *_entries(_ABBREVIATED))
    names = {name: code for name, code in short if code.startswith(f"{country}-")}
    several = [each for each in pycountry.subdivisions if each.country_code == country]
    # Of a region and a department within it, the region has the name.
    several.sort(key=lambda each: bool(each.parent_code))
    for name, code in _named(several, _LANGUAGES):
        names.setdefault(name, code)
    return names


@cache
def _unique_subdivisions() -> dict[str, str]:
    """Names that only one subdivision in the world has."""
    codes: dict[str, set[str]] = {}
    for name, code in _named(pycountry.subdivisions, _WITHOUT_COUNTRY):
        codes.setdefault(name, set()).add(code)
    return {name: min(several) for name, several in codes.items() if len(several) == 1} | dict(_entries(_SHORT))


def _named(subdivisions: Iterable[pycountry.db.Data], languages: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each by all its names, with and without what it is."""
    translations = _translations("iso3166-2", languages)
    for subdivision in subdivisions:
        names = {subdivision.name, *(each.gettext(subdivision.name) for each in translations)}
        for plain in map(_plain, (*names, *(_BEHIND.sub("", name) for name in names))):
            yield plain, subdivision.code
            yield _bare(plain), subdivision.code


@cache
def _translations(domain: str, languages: Sequence[str]) -> list[gettext.NullTranslations]:
    return [gettext.NullTranslations()] + [
        gettext.translation(domain, pycountry.LOCALES_DIR, [language], fallback=True) for language in languages
    ]


def _entries(table: str, prefix: str = "") -> Iterator[tuple[str, str]]:
    for entry in re.split(r"[;\n]", table):
        code, *names = entry.split() or [""]
        yield from ((_plain(name), prefix + code) for name in names)
