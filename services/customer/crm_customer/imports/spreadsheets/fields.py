"""One cell's text to the value of one field. All raise `CellError` with words for whoever filled the cell in."""

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from urllib.parse import urlsplit
from uuid import UUID

from crm_kit.errors import InvalidArgument
from crm_kit.keys import tidied_code
from crm_kit.phone_numbers import parse_phone_number

from crm_customer.imports.spreadsheets.cells import has_lost_digits
from crm_customer.imports.spreadsheets.mapping import SOURCE_NAME, Field
from crm_customer.imports.spreadsheets.quantities import people_of
from crm_customer.imports.spreadsheets.regions import examples_of, region_code, state_code
from crm_customer.imports.spreadsheets.wording import plain
from crm_customer.records.accounts.credit_code import parse_credit_code


class Reason(StrEnum):
    """Why a cell or row is refused."""

    NAME_MISSING = "NAME_MISSING"
    ID_INVALID = "ID_INVALID"
    TOO_LONG = "TOO_LONG"
    CREDIT_CODE_INVALID = "CREDIT_CODE_INVALID"
    PHONE_INVALID = "PHONE_INVALID"
    EMAIL_INVALID = "EMAIL_INVALID"
    REGION_UNKNOWN = "REGION_UNKNOWN"
    WEBSITE_INVALID = "WEBSITE_INVALID"
    NUMBER_INVALID = "NUMBER_INVALID"
    NOTATION_UNCLEAR = "NOTATION_UNCLEAR"
    VALUE_UNKNOWN = "VALUE_UNKNOWN"
    EXTERNAL_ID_DUPLICATE = "EXTERNAL_ID_DUPLICATE"
    DIGITS_LOST = "DIGITS_LOST"
    CELL_ERROR = "CELL_ERROR"
    TOO_MANY_CELLS = "TOO_MANY_CELLS"
    TOO_MANY_VALUES = "TOO_MANY_VALUES"


class CellError(Exception):
    """A cell's value is no value of its field. `value` is the part of the cell that is meant.

    `metadata` are the values that the detail names, for who tells it in another language.
    """

    def __init__(self, reason: Reason, detail: str, value: str, **metadata: object) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.value = value
        self.metadata = {name: str(each) for name, each in metadata.items()}


MAX_CHARACTERS: Mapping[str, int] = {
    Field.DISPLAY_NAME: 200,
    Field.LEGAL_NAME: 200,
    Field.SHORT_NAME: 100,
    Field.INDUSTRY: 100,
    Field.CITY: 100,
    Field.ADDRESS: 500,
    Field.POSTAL_CODE: 20,
    Field.SOURCE: 100,
    Field.TAGS: 50,
    Field.OWNER: 200,
    Field.PARENT: 200,
    Field.CONTACT_NAME: 200,
    Field.CONTACT_FIRST_NAME: 100,
    Field.CONTACT_LAST_NAME: 100,
    Field.CONTACT_TITLE: 100,
    Field.PREFERENCES: 4000,
    Field.TABOOS: 4000,
    Field.REMARKS: 4000,
    Field.EXTERNAL_IDS: 200,
    Field.WEBSITE: 500,
}
"""As in crm.customer.v1; other fields are checked by their form."""

MAX_PHONE_NUMBERS = 20
"""Of an account or contact, as in crm.customer.v1."""

_MANY_LINES = frozenset([Field.ADDRESS, Field.PREFERENCES, Field.TABOOS, Field.REMARKS])
_MAX_CUSTOM_CHARACTERS = 4000
# Of a place or a choice; a longer text is none.
_MAX_NAME_CHARACTERS = 200
_ROLE_SEPARATORS = re.compile(r"[,;，；、/|\n]")
# A slash is none: it stands within numbers, too.
_PHONE_SEPARATORS = re.compile(r"[,;，；、|\n](?!ext=)|\b(?:oder|or|und|and)\b|或者?|和", re.IGNORECASE)
_SLASHES = (re.compile(r"\s/\s"), re.compile("/"))
_KEY_SEPARATORS = re.compile(r"[;；\n]")
_SYSTEM_AND_KEY = re.compile(rf"({SOURCE_NAME.pattern}): (.+)", re.DOTALL)
_TAG_SEPARATORS = re.compile(r"[,;，；、|\n]")
# A value in double quotes, with blanks around it; what is quoted within it is doubled.
_QUOTED = re.compile(r'\s*"((?:[^"]|"")*)"[^\S\n]*')
_EMAIL_SEPARATORS = re.compile(r"[,;，；、|｜\n]")
# https://html.spec.whatwg.org/#valid-e-mail-address, as the contract checks, and with a dot in the domain.
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_EMAIL = re.compile(rf"[a-zA-Z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_LABEL}(?:\.{_LABEL})+")
_MAX_EMAIL_CHARACTERS = 254

_KINDS = {
    "ORGANIZATION": "企业 公司 单位 机构 组织 法人 对公 企业客户 公司客户 单位客户 "
    "organization organisation company business corporate true b",
    "PERSON": "个人 自然人 个人客户 居民 对私 person individual consumer private false c",
}
_ROLES = {
    "PROSPECT": "潜在客户 意向客户 目标客户 潜客 prospect lead",
    "CUSTOMER": "客户 正式客户 成交客户 老客户 用户 customer client customer-direct customer-channel",
    "PARTNER": "合作伙伴 伙伴 经销商 代理商 分销商 渠道商 partner dealer distributor reseller agent "
    "channelpartner/reseller technologypartner installationpartner",
    "SUPPLIER": "供应商 供货商 supplier vendor",
    "COMPETITOR": "竞争对手 同行 竞品 competitor rival",
}
_STATUSES = {
    "POTENTIAL": "潜在 潜在客户 意向 未成交 potential prospect",
    "ACTIVE": "活跃 正常 合作中 合作 已成交 成交 在用 active",
    "DORMANT": "休眠 沉睡 沉默 不活跃 dormant inactive",
    "LOST": "流失 已流失 终止 lost churned",
}
# Those of accounts that are out of business: read so that an export of such accounts comes back, and never set.
_ENDED = {"ARCHIVED": "已归档 archived", "MERGED": "已合并 merged"}


def one_text(text: str, target: str) -> str:
    """A text within its field's length; on one line unless the field may have several."""
    return _checked_length(text if target in _MANY_LINES else " ".join(text.split()), target)


def _checked_length(value: str, target: str) -> str:
    most = MAX_CHARACTERS.get(target, _MAX_CUSTOM_CHARACTERS)
    if len(value) > most:
        detail = f"it has {len(value)} characters, at most {most} are possible"
        raise CellError(Reason.TOO_LONG, detail, value, length=len(value), most=most)
    return value


def record_id(text: str) -> str:
    """The id of an account, as exports have it."""
    try:
        return str(UUID(text))
    except ValueError:
        detail = "it is no account's id; name a column of other systems' keys external_ids, or leave the cell empty"
        raise CellError(Reason.ID_INVALID, detail, text) from None


def external_ids(text: str, source: str) -> list[tuple[str, str]]:
    """The (system, key) that a cell tells: a key in `source`, or several as exports write them, `sap: C1; crm: 7`."""
    told = [_SYSTEM_AND_KEY.fullmatch(part) for part in _parts(_KEY_SEPARATORS, text)]
    found = [(each[1], tidied_code(each[2])) for each in told if each]
    keys = [(system, _checked_length(key, Field.EXTERNAL_IDS)) for system, key in found if key]
    if not keys:
        return [(source, one_text(tidied_code(_with_all_digits(text)), Field.EXTERNAL_IDS))]
    if len(keys) < len(told):
        example = "sap: C1; crm: 7"
        detail = f"of several keys each stands behind its system: {example}"
        raise CellError(Reason.VALUE_UNKNOWN, detail, text, choices=example)
    return keys


def credit_code(text: str) -> str:
    try:
        return parse_credit_code(_with_all_digits(text))
    except InvalidArgument as error:
        broken = error.violations[0]
        raise CellError(Reason.CREDIT_CODE_INVALID, broken.detail, text, rule=broken.rule) from error


def phone_numbers(text: str, region: str) -> list[str]:
    """The numbers of a cell to E.164, one more than an account may have at most.

    `region` is the country of those without a country code.
    """
    found: list[str] = []
    for part in _parts(_PHONE_SEPARATORS, _with_all_digits(text))[: MAX_PHONE_NUMBERS + 1]:
        found += _numbers(part, region)
    return found


def _numbers(part: str, region: str) -> list[str]:
    """A slash is within a number, `0211/8765432`, unless each side of it is a number itself."""
    read: list[str | CellError] = []
    for slash in _SLASHES if "/" in part else ():
        read = [_number(side, region) for each in slash.split(part) if (side := each.strip())]
        if read and not any(isinstance(each, CellError) for each in read):
            return [str(each) for each in read]
    whole = _number(part, region)
    if not isinstance(whole, CellError):
        return [whole]
    # Beside a number, what is wrong is the other side of the slash.
    wrong = [each for each in read if isinstance(each, CellError)]
    raise wrong[0] if 0 < len(wrong) < len(read) else whole


def _number(text: str, region: str) -> str | CellError:
    try:
        return parse_phone_number(text, default_region=region)
    except InvalidArgument as error:
        return CellError(Reason.PHONE_INVALID, error.violations[0].detail, text)


def emails(text: str) -> list[str]:
    """The addresses of a cell; blanks may stand between them. An error names the one that is wrong as the cell has it.

    Words of which none is an address are one wrong value.
    """
    found: list[str] = []
    for part in _parts(_EMAIL_SEPARATORS, text):
        words = {word: unicodedata.normalize("NFKC", word).removeprefix("mailto:") for word in part.split()}
        wrong = [word for word, email in words.items() if not _is_email(email)]
        if wrong:
            value = part if len(wrong) == len(words) else wrong[0]
            raise CellError(Reason.EMAIL_INVALID, f"{value!r} is not an e-mail address", value)
        found += words.values()
    return list(dict.fromkeys(found))


def _is_email(text: str) -> bool:
    return len(text) <= _MAX_EMAIL_CHARACTERS and _EMAIL.fullmatch(text) is not None


def tags(text: str) -> list[str]:
    return [one_text(part, Field.TAGS) for part in _parts(_TAG_SEPARATORS, text)]


def country(text: str) -> str:
    """A country, or a region whose lists name it like one: Hong Kong."""
    return _place(text, "", "country")


def region(text: str, country: str = "") -> str:
    """A province, state or country; with `country` (ISO 3166-1 alpha-2) one of its subdivisions."""
    return _place(text, country, f"region of {country}" if country else "region")


def state(text: str, default_country: str) -> str:
    """A province or state, of that country or of the only one that has it; no country, whatever else is called so."""
    code = state_code(text, default_country) if len(text) <= _MAX_NAME_CHARACTERS else None
    if code is None:
        examples = ", ".join(examples_of(default_country))
        detail = (
            f"it is not a state of {default_country} we know, such as {examples}; name another country in a column of "
            "countries or as the import's default_region"
        )
        told = {"rule": "state", "country": default_country, "examples": examples}
        raise CellError(Reason.REGION_UNKNOWN, detail, text, **told)
    return code


def _place(text: str, country: str, noun: str) -> str:
    code = region_code(text, country) if len(text) <= _MAX_NAME_CHARACTERS else None
    if code is None:
        raise _unknown_place(text, country, noun)
    return code


def _unknown_place(text: str, country: str, noun: str) -> CellError:
    """What may be written is told by examples of the country, or of several where that is not known."""
    examples = ", ".join(examples_of(country))
    detail = f"it is not a {noun} we know; possible are, for example, {examples}"
    return CellError(Reason.REGION_UNKNOWN, detail, text, examples=examples)


def website(text: str) -> str:
    """An address with its scheme, https if none is given."""
    several = [each for each in re.split(r"[;,；，、\s]+", text) if "." in each]
    if len(several) > 1:
        detail = f"it has {len(several)} addresses, and one is possible"
        raise CellError(Reason.WEBSITE_INVALID, detail, text, rule="several", count=len(several))
    value = one_text("".join(text.split()), Field.WEBSITE)
    value = value if "://" in value else f"https://{value}"
    try:
        parts = urlsplit(value)
        sound = parts.scheme in {"http", "https"} and "." in (parts.hostname or "") and value.isascii()
    except ValueError:
        sound = False
    if not sound or re.search(r"[<>\"{}|\\^`]", value):
        raise CellError(Reason.WEBSITE_INVALID, "it is not a web address, for example www.example.com", text)
    return value


def employee_count(text: str) -> int:
    count = people_of(text)
    if count is None:
        raise CellError(Reason.NUMBER_INVALID, "it is not a whole number of people, nor a range such as 51-200", text)
    return count


def status(text: str) -> str:
    return _WORDS[id(_ENDED)].get(plain(text)) or _choice(text, _STATUSES)


def kind(text: str) -> str:
    return _choice(text, _KINDS)


def roles(text: str) -> list[str]:
    """Several, unless all of it is one: `Channel Partner / Reseller`."""
    whole = _chosen(text, _ROLES)
    return [whole] if whole else [_choice(part, _ROLES) for part in _parts(_ROLE_SEPARATORS, text)]


def _lookup(table: Mapping[str, str]) -> dict[str, str]:
    return {plain(word): name for name, words in table.items() for word in [name, *words.split()]}


_WORDS = {id(table): _lookup(table) for table in (_KINDS, _ROLES, _STATUSES, _ENDED)}


def _chosen(text: str, table: Mapping[str, str]) -> str | None:
    return _WORDS[id(table)].get(plain(text)) if len(text) <= _MAX_NAME_CHARACTERS else None


def _choice(text: str, table: Mapping[str, str]) -> str:
    found = _chosen(text, table)
    if found is None:
        examples = ", ".join(words.split()[0] for words in table.values())
        detail = f"possible are {examples} or {', '.join(table)}"
        raise CellError(Reason.VALUE_UNKNOWN, detail, text, choices=f"{examples}, {', '.join(table)}")
    return found


def _parts(separators: re.Pattern[str], text: str) -> list[str]:
    """The values of a cell, each once. One in double quotes may have separators in it, as an export writes it."""
    return list(dict.fromkeys(part for part in _split(separators, text) if part))


def _split(separators: re.Pattern[str], text: str) -> Iterator[str]:
    at = 0
    while at <= len(text):
        quoted = _QUOTED.match(text, at)
        separator = separators.match(text, quoted.end()) if quoted else None
        if quoted and (separator or quoted.end() == len(text)):
            yield quoted[1].replace('""', '"')
        else:
            separator = separators.search(text, at)
            yield text[at : separator.start() if separator else len(text)].strip()
        at = separator.end() if separator else len(text) + 1


def _with_all_digits(text: str) -> str:
    if has_lost_digits(text):
        detail = "the spreadsheet program has shortened this number; format the column as text and enter it again"
        raise CellError(Reason.DIGITS_LOST, detail, text)
    return text


Single = Callable[[str], str | int]
SINGLE: Mapping[str, Single] = {
    Field.KIND: kind,
    Field.CREDIT_CODE: credit_code,
    Field.STATUS: status,
    Field.EMPLOYEE_COUNT: employee_count,
    Field.COUNTRY: country,
    Field.WEBSITE: website,
}
"""Fields with one value that is more than a text."""

SEVERAL: Mapping[str, Callable[[str], list[str]]] = {
    Field.EMAILS: emails,
    Field.CONTACT_EMAIL: emails,
    Field.TAGS: tags,
    Field.ROLES: roles,
}
"""Fields with several values in a cell."""
