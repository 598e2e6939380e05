"""How words are compared: without case, width and marks, and whichever script Chinese is written in."""

import re
import unicodedata
from functools import lru_cache

from crm_kit.blanks import is_visible
from crm_kit.likeness import name_key

# The traditional characters of headers and of the words that cells have, each before its simplified one.
_SCRIPTS = (
    "戶户稱称業业單单機机構构編编號号碼码電电話话郵邮網网絡络聯联繫系職职務务級级別别類类狀状態态來来標标籤签備备註注說说負负責责員员經经銷销歸归屬属進进國国區区縣县詳详細细"
    "辦办訪访規规數数簡简統统識识稅税納纳營营執执準准對对總总傳传額额歷历貨货幣币際际潛潜個个組组織织關关係系夥伙應应競竞爭争離离終终斷断躍跃動动開开啟启廠厂鄉乡鎮镇鄰邻遞递"
    "寫写記记錄录預预設设時时間间創创擁拥親亲認认證证廣广東东蘇苏雲云貴贵陝陕寧宁遼辽龍龙內内蘭兰灣湾門门慶庆廈厦馬马紐纽約约羅罗韓韩聖圣島岛諾诺愛爱爾尔亞亚盧卢維维倫伦倉仓"
    "賓宾緬缅紀纪錫锡薩萨費费華华鑽钻鈕纽獨独場场達达會会權权導导續续產产隊队濟济專专當当後后舊旧長长術术財财貿贸採采購购轉转發发處处樓楼層层園园遠远過过滿满價价積积點点歡欢"
    "諱讳習习慣惯媽妈緊紧絕绝給给帳帐賬账"
    "無无沒没據据"
)
_TO_SIMPLIFIED = str.maketrans(_SCRIPTS[::2], _SCRIPTS[1::2])
_EMPTY = frozenset(
    ["无", "暂无", "没有", "空", "无数据", "不详", "未知", "未填写", "n/a", "n.a.", "none", "null", "(null)", "nil"]
)
_LONGEST_EMPTY = max(map(len, _EMPTY))
_MARKS = re.compile(r"[\W_]+")
_STROKES = frozenset("-–—―－_/\\.·*?？~～")


# Of what tells names apart: points and commas come and go with abbreviations, as in `Inc.`.
_POINTS = str.maketrans(dict.fromkeys(".,。、"))


def company_key(name: str) -> str:
    """What the names of one company have in common: all but case, width, blanks, script, points and commas.

    Other marks are part of a name: `A+B` is not `A-B`.
    """
    return name_key(name).translate(_TO_SIMPLIFIED).translate(_POINTS)


REMEMBERED_CHARACTERS = 200
"""Of a text whose words are remembered: a few thousand longer ones would fill the memory."""


def plain(text: str) -> str:
    """The letters and digits of a text: two that are the same word are equal."""
    return _remembered(text) if len(text) <= REMEMBERED_CHARACTERS else _plain(text)


@lru_cache(maxsize=4096)
def _remembered(text: str) -> str:
    return _plain(text)


def _plain(text: str) -> str:
    return _MARKS.sub("", unicodedata.normalize("NFKC", text).casefold().translate(_TO_SIMPLIFIED))


def says_nothing(text: str) -> bool:
    """Whether a cell was filled only to have something in it: `无`, `n/a`, `--`; also one with no visible character."""
    if len(text) > _LONGEST_EMPTY:
        return not text[0].isalnum() and _is_blank(unicodedata.normalize("NFKC", text))
    return _says_nothing(text)


@lru_cache(maxsize=4096)
def _says_nothing(text: str) -> bool:
    word = unicodedata.normalize("NFKC", text).strip().casefold().translate(_TO_SIMPLIFIED)
    return word in _EMPTY or _is_blank(word)


def _is_blank(text: str) -> bool:
    return all(each in _STROKES or not is_visible(each) for each in text)
