"""Names of regions as people write them, to ISO 3166-2 (China) and ISO 3166-1 alpha-2 (countries)."""

import re
import unicodedata
from functools import lru_cache

import phonenumbers

# ISO 3166-2:CN, 34 subdivisions: code, Chinese short name, names in Latin letters.
_PROVINCES = """
AH 安徽 Anhui; BJ 北京 Beijing Peking; CQ 重庆 Chongqing; FJ 福建 Fujian; GD 广东 Guangdong Canton; GS 甘肃 Gansu
GX 广西 Guangxi; GZ 贵州 Guizhou; HA 河南 Henan; HB 湖北 Hubei; HE 河北 Hebei; HI 海南 Hainan; HK 香港 Hongkong
HL 黑龙江 Heilongjiang; HN 湖南 Hunan; JL 吉林 Jilin; JS 江苏 Jiangsu; JX 江西 Jiangxi; LN 辽宁 Liaoning
MO 澳门 Macao Macau; NM 内蒙古 Neimenggu InnerMongolia NeiMongol; NX 宁夏 Ningxia; QH 青海 Qinghai; SC 四川 Sichuan
SD 山东 Shandong; SH 上海 Shanghai; SN 陕西 Shaanxi; SX 山西 Shanxi; TJ 天津 Tianjin; TW 台湾 Taiwan; XJ 新疆 Xinjiang
XZ 西藏 Xizang Tibet; YN 云南 Yunnan; ZJ 浙江 Zhejiang
"""
# ISO 3166-1 alpha-2 of the countries that appear in customer lists by name.
_COUNTRIES = """
AE 阿联酋 UnitedArabEmirates UAE; AT 奥地利 Austria; AU 澳大利亚 Australia; BE 比利时 Belgium; BR 巴西 Brazil
CA 加拿大 Canada; CH 瑞士 Switzerland; CN 中国 China; CZ 捷克 Czechia; DE 德国 Germany Deutschland; DK 丹麦 Denmark
EG 埃及 Egypt; ES 西班牙 Spain; FI 芬兰 Finland; FR 法国 France; GB 英国 UnitedKingdom UK GreatBritain England
GR 希腊 Greece; HU 匈牙利 Hungary; ID 印度尼西亚 印尼 Indonesia; IE 爱尔兰 Ireland; IL 以色列 Israel; IN 印度 India
IT 意大利 Italy; JP 日本 Japan; KH 柬埔寨 Cambodia; KR 韩国 Korea SouthKorea; KZ 哈萨克斯坦 Kazakhstan; LA 老挝 Laos
MM 缅甸 Myanmar; MX 墨西哥 Mexico; MY 马来西亚 Malaysia; NL 荷兰 Netherlands Holland
NO 挪威 Norway
NZ 新西兰 NewZealand; PH 菲律宾 Philippines; PK 巴基斯坦 Pakistan; PL 波兰 Poland; PT 葡萄牙 Portugal; RU 俄罗斯 Russia
SA 沙特阿拉伯 沙特 SaudiArabia; SE 瑞典 Sweden
SG 新加坡 Singapore; TH 泰国 Thailand; TR 土耳其 Turkey Türkiye; UA 乌克兰 Ukraine
US 美国 UnitedStates USA America; VN 越南 Vietnam; ZA 南非 SouthAfrica
"""
_CODE = re.compile(r"([A-Z]{2})(-[A-Z0-9]{1,3})?")
# What follows a province's short name in its full name.
_ENDINGS = re.compile(r"(省|市|特别行政区|(壮族|回族|维吾尔)?自治区|province|municipality|autonomousregion|sar)?")


def _names(table: str, prefix: str) -> dict[str, str]:
    entries = (entry.split() for entry in re.split(r"[;\n]", table) if entry.strip())
    return {_plain(name): prefix + code for code, *names in entries for name in names}


def _plain(text: str) -> str:
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))


_PROVINCE_CODES = _names(_PROVINCES, "CN-")
_COUNTRY_CODES = _names(_COUNTRIES, "")


@lru_cache(maxsize=1024)
def region_code(text: str) -> str | None:
    """`广东省`, `广东`, `Guangdong`, `广东省深圳市`, `中国广东`, `CN-GD`, `德国`, `DE` to a code; None if unknown.

    Of Chinese subdivisions only those of the standard are accepted, of other countries' any well-formed code.
    """
    code = unicodedata.normalize("NFKC", text).strip().upper()
    known = _CODE.fullmatch(code)
    if known and (known[1] in phonenumbers.SUPPORTED_REGIONS):
        is_chinese = known[1] == "CN" and known[2]
        return code if not is_chinese or code in _PROVINCE_CODES.values() else None
    plain = _plain(text)
    if plain in _COUNTRY_CODES:
        return _COUNTRY_CODES[plain]
    plain = plain.removeprefix("中国").removeprefix("china")
    for name, found in _PROVINCE_CODES.items():
        if plain.startswith(name) and _fits(plain.removeprefix(name)):
            return found
    return None


def _fits(rest: str) -> bool:
    """Whether this may follow a province's name: the rest of its full name, then in Chinese a city."""
    ending = _ENDINGS.match(rest)
    after = rest[ending.end() :] if ending else rest
    return not after or not after.isascii()
