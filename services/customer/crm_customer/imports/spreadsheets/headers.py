"""What columns are called: in lists in Chinese and English, and by other systems.

Salesforce, HubSpot, Zoho, Dynamics, Odoo, 纷享销客 and Cordys are meant. Case, spaces, underscores, brackets and
traditional characters do not matter.
"""

from collections.abc import Mapping


def _names(chinese: str, english: str) -> list[str]:
    """Chinese ones stand between spaces, English ones between bars."""
    return [*chinese.split(), *english.split("|")]


SHARED: Mapping[str, list[str]] = {
    "phone_numbers": _names(
        "电话 手机 手机号 手机号码 电话号码 固定电话 座机 办公电话 联系电话 移动电话 电话1 电话2 手机1 手机2",
        "phone|phone number|phone numbers|telephone|tel|mobile|mobile phone|mobile phone number|cell|cell phone|"
        "business phone|work phone|office phone|direct phone|home phone|other phone",
    ),
    "emails": _names(
        "邮箱 电子邮箱 电子邮件 邮件 电邮 电子信箱",
        "email|e mail|emails|mail|email address|business email|work email|primary email|secondary email|other email",
    ),
    "external_ids": _names("", "record id|id"),
}
"""Names that a company's column may have, and in a list of people a person's."""

STATES: list[str] = _names(
    "州省",
    "province|state|state province|state or province|billing state|billing state province|billing province|"
    "billing state code|state id|mailing state|mailing state province|address 1 state province",
)
"""Names of columns that have no countries: `DE` is Delaware there. Chinese lists have 新加坡 beside 广东 in 省份."""

HEADERS: Mapping[str, list[str]] = {
    "kind": _names(
        "客户性质 客户类型 客户类别 类型 性质 企业性质",
        "kind|type|account type|customer type|company type|is a company|is company",
    ),
    "display_name": _names(
        "客户名称 公司名称 企业名称 单位名称 客户名 客户 名称 公司 企业 单位 客户姓名 会员名称 机构名称 "
        "所属客户 公司抬头",
        "name|account name|customer name|company name|company|customer|account|display name|organization|"
        "organization name|associated company|business name|complete name",
    ),
    "legal_name": _names(
        "法定名称 注册名称 工商名称 全称 公司全称 客户全称 工商注册名称", "legal name|registered name"
    ),
    "short_name": _names("简称 客户简称 公司简称", "short name|abbreviation|alias"),
    "credit_code": _names(
        # Tax ID, VAT and 統一編號 are other countries' numbers.
        "统一社会信用代码 社会信用代码 信用代码 统一信用代码 税号 纳税人识别号",
        "unified social credit code|social credit code|credit code|uscc",
    ),
    "roles": _names("客户角色 业务角色 角色 合作关系 关系", "role|roles|relationship"),
    "status": _names("状态 客户状态 成交状态", "status|account status|customer status"),
    "industry": _names("行业 所属行业 行业类别 一级行业 客户行业", "industry|sector|line of business|industry id"),
    "employee_count": _names(
        "员工人数 人数 员工数 规模 公司规模 人员规模 客户规模 企业规模",
        "employees|employee count|number of employees|no of employees|headcount|size|company size",
    ),
    "country": _names(
        "国家 国家地区 国别 国家或地区",
        "country|country region|billing country|country code|billing country code|country id|mailing country|"
        "address 1 country region",
    ),
    "region_code": [
        *STATES,
        *_names(
            "地区 省份 省 所在地区 区域 所在省份 省市 省市区 客户地区 省直辖市", "region|area|region code|state region"
        ),
    ],
    "city": _names("城市 市 所在城市", "city|town|billing city|mailing city|address 1 city"),
    "address": _names(
        "地址 详细地址 联系地址 公司地址 注册地址 办公地址 街道 街道地址",
        "address|street|street address|office address|billing street|billing address|billing address line 1|"
        "mailing street|address 1 street 1",
    ),
    "postal_code": _names(
        "邮编 邮政编码 邮递区号",
        "zip|zip code|postal code|postcode|zip postal code|billing zip|billing zip postal code|billing postal code|"
        "mailing zip postal code|mailing postal code|mailing zip|address 1 zip postal code",
    ),
    "phone_numbers": [
        *SHARED["phone_numbers"],
        *_names(
            "公司电话 企业电话 单位电话 客户电话 总机", "company phone|company phone number|account phone|main phone"
        ),
    ],
    "emails": [*SHARED["emails"], *_names("公司邮箱 企业邮箱 单位邮箱 客户邮箱", "company email|account email")],
    "website": _names(
        "网址 网站 官网 公司网址 主页 公司网站",
        "website|web|url|homepage|website url|company domain name|domain|web site|website link",
    ),
    "source": _names(
        "来源 客户来源 线索来源 渠道来源 渠道", "source|lead source|channel|account source|original source"
    ),
    "external_ids": [
        *SHARED["external_ids"],
        *_names(
            "客户编号 客户编码 客户代码 客户号 编号 编码 外部编号 外部id 会员号 客户id 唯一性id",
            "external id|external ids|customer number|customer no|customer id|account number|account id|"
            "account name id|customer code|reference|ref|internal reference|company id|associated company id",
        ),
    ],
    "tags": _names(
        "标签 客户标签 标记 等级 客户等级 客户级别 级别", "tag|tags|label|labels|tier|level|grade|rating|category id"
    ),
    "owner": _names(
        "客户经理 负责人 业务员 销售 销售员 跟进人 所有者 归属人 所有人 客户负责人 归属销售",
        "owner|account manager|sales|salesperson|sales rep|account owner|company owner|contact owner|user id",
    ),
    "parent": _names(
        "上级客户 母公司 上级公司 总公司 所属集团",
        "parent|parent account|parent company|group|parent account id|parent name|related company",
    ),
    "contact_name": _names(
        "联系人 联系人姓名 联系人名称 主要联系人 姓名 联络人 首要联系人",
        "contact|contact name|contact person|primary contact|person|full name",
    ),
    "contact_first_name": _names("名 名字", "first name|given name|contact first name|firstname"),
    "contact_last_name": _names("姓 姓氏", "last name|family name|surname|contact last name|lastname"),
    "contact_title": _names(
        "职务 职位 联系人职务 联系人职位 职称", "title|job title|position|contact title|job position|function"
    ),
    "contact_phone": _names(
        "联系人电话 联系人手机 联系人手机号 联络人电话 联系人联系电话", "contact phone|contact mobile|contact telephone"
    ),
    "contact_email": _names("联系人邮箱 联系人电子邮箱 联系人邮件", "contact email|contact e mail"),
    "preferences": _names("偏好 喜好 客户偏好", "preferences|preference|likes"),
    "taboos": _names("禁忌 忌讳", "taboos|taboo|dislikes"),
    "remarks": _names(
        "备注 说明 描述 备注信息 客户备注", "remark|remarks|note|notes|comment|comments|description|internal notes"
    ),
}
"""Field to the names that columns of it have."""
