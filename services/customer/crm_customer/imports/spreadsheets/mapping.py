"""Which column is which field of an account: guessed from the header in Chinese or English, or as told."""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from enum import StrEnum

from crm_kit.errors import InvalidArgument, invalid_field


class Field(StrEnum):
    """What a column can be. Fields of `MANY` may have several columns."""

    KIND = "kind"
    DISPLAY_NAME = "display_name"
    LEGAL_NAME = "legal_name"
    SHORT_NAME = "short_name"
    CREDIT_CODE = "credit_code"
    ROLES = "roles"
    STATUS = "status"
    INDUSTRY = "industry"
    EMPLOYEE_COUNT = "employee_count"
    REGION = "region_code"
    CITY = "city"
    ADDRESS = "address"
    POSTAL_CODE = "postal_code"
    PHONE_NUMBERS = "phone_numbers"
    EMAILS = "emails"
    WEBSITE = "website"
    SOURCE = "source"
    EXTERNAL_IDS = "external_ids"
    TAGS = "tags"
    OWNER = "owner"
    PARENT = "parent"
    CONTACT_NAME = "contact_name"
    CONTACT_TITLE = "contact_title"
    CONTACT_PHONE = "contact_phone"
    CONTACT_EMAIL = "contact_email"
    PREFERENCES = "preferences"
    TABOOS = "taboos"
    REMARKS = "remarks"


MANY = frozenset([Field.PHONE_NUMBERS, Field.EMAILS, Field.TAGS, Field.ROLES, Field.CONTACT_PHONE, Field.CONTACT_EMAIL])

CUSTOM_PREFIX = "custom."
EXTERNAL_ID_PREFIX = f"{Field.EXTERNAL_IDS}."
"""`external_ids.sap` is the key in the system `sap`; `external_ids` alone that of the import's own source."""

SOURCE_NAME = re.compile(r"[a-z][a-z0-9_.-]{0,49}")

_SYNONYMS = {
    Field.KIND: "客户性质 客户类型 客户类别 类型 性质 kind type account type customer type",
    Field.DISPLAY_NAME: "客户名称 公司名称 企业名称 单位名称 客户名 客户 名称 公司 企业 "
    "单位 客户姓名 会员名称 "
    "name|account name|customer name|company name|company|customer|account|display name|organization",
    Field.LEGAL_NAME: "法定名称 注册名称 工商名称 工商注册名称 全称 公司全称 客户全称 "
    "legal name|registered name|full name",
    Field.SHORT_NAME: "简称 客户简称 公司简称 short name|abbreviation|alias",
    Field.CREDIT_CODE: "统一社会信用代码 社会信用代码 信用代码 统一信用代码 税号 纳税人识别号 "
    "unified social credit code|social credit code|credit code|uscc|tax id",
    Field.ROLES: "客户角色 业务角色 角色 合作关系 关系 role|roles|relationship",
    Field.STATUS: "状态 客户状态 status|account status|customer status",
    Field.INDUSTRY: "行业 所属行业 行业类别 industry|sector|line of business",
    Field.EMPLOYEE_COUNT: "员工人数 人数 员工数 规模 公司规模 "
    "employees|employee count|number of employees|headcount|size",
    Field.REGION: "地区 省份 省 所在地区 区域 所在省份 国家 国家地区 region|province|state|area|country|region code",
    Field.CITY: "城市 市 所在城市 city|town",
    Field.ADDRESS: "地址 详细地址 联系地址 公司地址 注册地址 办公地址 address|street|street address|office address",
    Field.POSTAL_CODE: "邮编 邮政编码 zip|zip code|postal code|postcode",
    Field.PHONE_NUMBERS: "电话 手机 手机号 手机号码 电话号码 固定电话 座机 公司电话 办公电话 联系电话 总机 "
    "phone|phone number|phone numbers|telephone|tel|mobile|mobile phone|cell",
    Field.EMAILS: "邮箱 电子邮箱 电子邮件 邮件 公司邮箱 email|e mail|emails|mail|email address",
    Field.WEBSITE: "网址 网站 官网 公司网址 主页 website|web|url|homepage",
    Field.SOURCE: "来源 客户来源 渠道来源 渠道 source|lead source|channel",
    Field.EXTERNAL_IDS: "客户编号 客户编码 客户代码 客户号 编号 编码 外部编号 外部id 会员号 "
    "external id|external ids|customer number|customer no|customer id|account number|account id|customer code",
    Field.TAGS: "标签 客户标签 标记 等级 客户等级 客户级别 级别 tag|tags|label|labels|tier|level|grade",
    Field.OWNER: "客户经理 负责人 业务员 销售 销售员 跟进人 所有者 归属人 "
    "owner|account manager|sales|salesperson|sales rep",
    Field.PARENT: "上级客户 母公司 上级公司 总公司 所属集团 parent|parent account|parent company|group",
    Field.CONTACT_NAME: "联系人 联系人姓名 主要联系人 contact|contact name|contact person|primary contact",
    Field.CONTACT_TITLE: "职务 职位 联系人职务 联系人职位 title|job title|position|contact title",
    Field.CONTACT_PHONE: "联系人电话 联系人手机 联系人手机号 contact phone|contact mobile|contact telephone",
    Field.CONTACT_EMAIL: "联系人邮箱 联系人电子邮箱 contact email|contact e mail",
    Field.PREFERENCES: "偏好 喜好 客户偏好 preferences|preference|likes",
    Field.TABOOS: "禁忌 忌讳 taboos|taboo|dislikes",
    Field.REMARKS: "备注 说明 描述 remark|remarks|note|notes|comment|comments|description",
}


def _plain(text: str) -> str:
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", text).casefold()))


def _headers(synonyms: str) -> list[str]:
    """Chinese ones stand between spaces, English ones after them between bars."""
    words = synonyms.split(" ")
    chinese = [word for word in words if not word.isascii()]
    english = " ".join(word for word in words if word.isascii())
    return [*chinese, *english.split("|")]


_FIELDS = {_plain(header): field for field, synonyms in _SYNONYMS.items() for header in _headers(synonyms)}


def guess_mapping(header: Sequence[str], *, custom_labels: Mapping[str, str] | None = None) -> dict[str, str]:
    """Column to target: a `Field`, or `custom.KEY` by `custom_labels` (label to key). Unknown columns are left out.

    Parentheses, asterisks and slashes in a header do not matter: `*客户名称（必填）`, `手机/Mobile`. A field that takes
    one column takes the first that fits. A field's own name, as an export has it, is no custom field's.
    """
    custom = {_plain(label): f"{CUSTOM_PREFIX}{key}" for label, key in (custom_labels or {}).items()}
    found: dict[str, str] = {}
    for column in header:
        named = (custom.get(name) or _FIELDS.get(name) for name in _spellings(column))
        target = column if column in set(Field) else next(filter(None, named), None)
        if target and (target in MANY or target not in found.values()):
            found[column] = str(target)
    return found


def checked_mapping(header: Sequence[str], mapping: Mapping[str, str]) -> dict[str, str]:
    """A mapping that was given, column to target, where an empty target means: leave out.

    Raises InvalidArgument naming the column that does not exist, the target that is unknown or taken twice.
    """
    checked: dict[str, str] = {}
    for column, target in mapping.items():
        if column not in header:
            raise invalid_field("mapping", "mapping.column", f"there is no column {column!r}")
        if not target:
            continue
        if not _is_target(target):
            raise invalid_field("mapping", "mapping.target", f"{column!r}: there is no field {target!r}")
        if target not in MANY and target in checked.values():
            raise invalid_field("mapping", "mapping.target", f"{target!r} is given by two columns")
        checked[column] = target
    return checked


def mapping_for(
    header: Sequence[str],
    given: Mapping[str, str],
    *,
    custom_labels: Mapping[str, str] | None = None,
    name_required: bool = True,
) -> dict[str, str]:
    """The guess, overridden column by column by what is given.

    Raises InvalidArgument, with reason IMPORT_MAPPING_INCOMPLETE when no column is the name although required.
    """
    checked = checked_mapping(header, given)
    taken = {target for target in checked.values() if target not in MANY}
    guessed = guess_mapping(header, custom_labels=custom_labels)
    rest = {c: t for c, t in guessed.items() if c not in given and t not in taken}
    mapping = {column: {**rest, **checked}[column] for column in header if column in rest or column in checked}
    if name_required and Field.DISPLAY_NAME not in mapping.values():
        # A list may name its customers by the registered name only.
        legal = next((c for c, t in mapping.items() if t == Field.LEGAL_NAME and c not in given), None)
        if legal is None:
            columns = ", ".join(header)
            raise InvalidArgument(
                f"no column is the customer's name; the columns are: {columns}",
                reason="IMPORT_MAPPING_INCOMPLETE",
            )
        mapping[legal] = str(Field.DISPLAY_NAME)
    return mapping


def _spellings(column: str) -> list[str]:
    text = unicodedata.normalize("NFKC", column)
    bare = re.sub(r"[(\[【].*?[)\]】]", "", text)
    parts = [part for whole in (bare, text) for part in (whole, *re.split(r"[/|\n]", whole))]
    return [plain for part in parts if (plain := _plain(part))]


def _is_target(target: str) -> bool:
    if target.startswith(CUSTOM_PREFIX):
        return len(target) > len(CUSTOM_PREFIX)
    if target.startswith(EXTERNAL_ID_PREFIX):
        return bool(SOURCE_NAME.fullmatch(target.removeprefix(EXTERNAL_ID_PREFIX)))
    return target in set(Field)
