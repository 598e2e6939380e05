"""What the header of a spreadsheet is taken for: in Chinese and English, of other systems' exports, and as told."""

import pytest
from crm_customer.imports.spreadsheets.mapping import Field, check_complete, check_given, guess_mapping, mapping_for
from crm_kit.errors import InvalidArgument


@pytest.mark.parametrize(
    ("column", "target"),
    [
        ("客户名称", "display_name"),
        ("* 公司名称（必填）", "display_name"),
        ("Account Name", "display_name"),
        ("Customer_Name", "display_name"),
        ("统一社会信用代码", "credit_code"),
        ("手机/Mobile", "phone_numbers"),
        ("E-Mail", "emails"),
        ("电子邮箱", "emails"),
        ("省份", "region_code"),
        ("所属行业", "industry"),
        ("客户来源", "source"),
        ("客户编号", "external_ids"),
        ("External ID", "external_ids"),
        ("联系人", "contact_name"),
        ("联系人电话", "contact_phone"),
        ("客户标签", "tags"),
        ("网址", "website"),
        ("详细地址", "address"),
        ("备注", "remarks"),
        ("客户类型", "kind"),
        ("客户状态", "status"),
        ("客户经理", "owner"),
    ],
)
def test_a_header_is_understood_in_chinese_and_english(column: str, target: str) -> None:
    assert guess_mapping([column, "Unheard of"]) == {column: target}


def test_fields_of_one_value_take_the_first_column_and_others_take_all() -> None:
    header = ["公司名称", "客户名称", "手机", "电话", "全称"]
    assert guess_mapping(header) == {
        "公司名称": "display_name",
        "手机": "phone_numbers",
        "电话": "phone_numbers",
        "全称": "legal_name",
    }


def test_a_custom_field_is_known_by_its_label_first() -> None:
    assert guess_mapping(["电压等级", "等级"], custom_labels={"电压等级": "voltage", "等级": "grade"}) == {
        "电压等级": "custom.voltage",
        "等级": "custom.grade",
    }


def test_a_fields_own_name_is_no_custom_fields() -> None:
    labels = {"status": "status", "custom.status": "status"}
    assert guess_mapping(["status", "custom.status"], custom_labels=labels) == {
        "status": "status",
        "custom.status": "custom.status",
    }
    contract = {"status": "status", "value tier": ""}
    assert guess_mapping(["Status"], custom_labels=labels, contract=contract) == {"Status": "status"}
    labels = {"value_tier": "value_tier", "Value-tier": "other"}
    assert guess_mapping(["Value tier", "Value-tier"], custom_labels=labels, contract=contract) == {
        "Value-tier": "custom.other"
    }


def test_what_is_given_goes_before_what_is_guessed() -> None:
    header = ["客户名称", "公司名称", "SAP编号", "电话", "备注"]
    given = {"公司名称": "display_name", "SAP编号": "external_ids.sap", "电话": "", "备注": "custom.note"}
    assert mapping_for(header, given) == {
        "公司名称": "display_name",
        "SAP编号": "external_ids.sap",
        "备注": "custom.note",
    }


@pytest.mark.parametrize(
    ("given", "path", "words"),
    [
        ([("b", ""), ("a", "nothing")], "c[1].field", "there is no field 'nothing'"),
        ([("a", "external_ids.SAP!")], "c[0].field", "there is no field"),
        ([("a", "custom.")], "c[0].field", "there is no field"),
        ([("a", "city"), ("b", "city")], "c[1].field", "columns 'a' and 'b' are both said to be 'city'"),
        ([("a", "city"), ("a", "tags")], "c[1].column", "'a' is there twice"),
    ],
)
def test_what_is_told_of_columns_is_refused_where_it_makes_no_sense(
    given: list[tuple[str, str]], path: str, words: str
) -> None:
    with pytest.raises(InvalidArgument, match=words) as refused:
        check_given(given, path="c")
    assert [each.field for each in refused.value.violations] == [path]


def test_columns_may_be_left_out_and_some_fields_may_have_several() -> None:
    check_given([("a", ""), ("b", ""), ("c", "tags"), ("d", "tags")], path="c")


def test_without_a_name_a_mapping_is_incomplete() -> None:
    header = ["电话", "邮箱"]
    with pytest.raises(InvalidArgument) as refused:
        check_complete(header, mapping_for(header, {}), {})
    assert refused.value.reason == "IMPORT_MAPPING_INCOMPLETE"
    assert "电话, 邮箱" in refused.value.detail
    assert mapping_for(["电话"], {}, name_required=False) == {"电话": "phone_numbers"}
    assert mapping_for(["公司全称", "电话"], {})["公司全称"] == "display_name"


@pytest.mark.parametrize(
    ("header", "fields"),
    [
        (
            (
                "Account Name|Type|Parent Account|Billing Street|Billing City|Billing State/Province|"
                "Billing Zip/Postal Code|Billing Country|Phone|Account Number|"
                "Website|Industry|Employees|Account Owner|Account Source|Description"
            ),
            (
                "display_name kind parent address city region_code postal_code country phone_numbers external_ids "
                "website industry employee_count owner source remarks"
            ),
        ),
        (
            (
                "Record ID|Company name|Company owner|Phone Number|"
                "City|Country/Region|Industry|State/Region|Postal Code|"
                "Number of Employees|Street Address|Company Domain Name"
            ),
            (
                "external_ids display_name owner phone_numbers city country industry region_code postal_code "
                "employee_count address website"
            ),
        ),
        (
            "First Name|Last Name|Email|Job Title|Associated Company",
            "contact_first_name contact_last_name contact_email contact_title display_name",
        ),
        (
            "name|is_company|street|city|state_id|zip|country_id|phone|mobile|email|website|vat|user_id|comment|ref",
            (
                "display_name kind address city region_code "
                "postal_code country phone_numbers phone_numbers emails website "
                "owner remarks external_ids"
            ),
        ),
        (
            (
                "客户名称|客户编号|客户级别|成交状态|客户来源|一级行业|"
                "国家|省|市|详细地址|电话|网址|邮箱|负责人|备注|上级客户"
            ),
            (
                "display_name external_ids tags status source industry country region_code city address phone_numbers "
                "website emails owner remarks parent"
            ),
        ),
        (
            "客戶名稱|統一編號|電話|電子郵件|聯絡人|職稱|地址|備註|員工人數|網站",
            (
                "display_name contact_phone contact_email "
                "contact_name contact_title address remarks employee_count "
                "website"
            ),
        ),
        ("Kind|Account Type", "kind"),
        ("Account Type|Name", "kind display_name"),
    ],
)
def test_the_columns_of_other_systems_exports_are_known(header: str, fields: str) -> None:
    assert list(guess_mapping(header.split("|")).values()) == fields.split()


PERSON = "contact_first_name contact_last_name contact_title display_name"


@pytest.mark.parametrize(
    ("header", "fields"),
    [
        # Salesforce: a report, and what the Data Loader writes.
        (
            (
                "First Name|Last Name|Title|Account Name|Mailing Street|Mailing City|Mailing State/Province|"
                "Mailing Zip/Postal Code|Mailing Country|Phone|Fax|Mobile|Email|Account Owner"
            ),
            f"{PERSON} address city region_code postal_code country contact_phone contact_phone contact_email owner",
        ),
        (
            "Id|FirstName|LastName|Title|Account.Name|AccountId|Phone|MobilePhone|HomePhone|Email",
            f"{PERSON} external_ids contact_phone contact_phone contact_phone contact_email",
        ),
        (
            "Account Name|First Name|Last Name|Title|Phone|Mobile|Email",
            "display_name contact_first_name contact_last_name contact_title contact_phone contact_phone contact_email",
        ),
        # HubSpot
        (
            (
                "Record ID|First Name|Last Name|Email|Phone Number|Mobile Phone Number|"
                "Contact owner|Associated Company|"
                "Associated Company ID|Job Title"
            ),
            (
                "contact_first_name contact_last_name contact_email contact_phone contact_phone owner display_name "
                "external_ids contact_title"
            ),
        ),
        (
            "First Name|Last Name|Email|Phone Number|Company Name",
            "contact_first_name contact_last_name contact_email contact_phone display_name",
        ),
        # Zoho
        (
            (
                "Record Id|Contact Owner|Lead Source|First Name|Last Name|Full Name|Account Name.id|Account Name|Email|"
                "Title|Phone|Home Phone|Other Phone|Mobile|Secondary Email|Mailing Street|"
                "Mailing City|Mailing State|Mailing Zip|"
                "Mailing Country|Description"
            ),
            (
                "owner source contact_first_name contact_last_name contact_name external_ids "
                "display_name contact_email "
                "contact_title contact_phone contact_phone contact_phone contact_phone contact_email address city "
                "region_code postal_code country remarks"
            ),
        ),
        # Dynamics: people, and companies with somebody to talk to.
        (
            (
                "(Do Not Modify) Contact|(Do Not Modify) Row Checksum|(Do Not Modify) Modified On|Full Name|Job Title|"
                "Company Name|Business Phone|Mobile Phone|Email"
            ),
            "contact_name contact_title display_name contact_phone contact_phone contact_email",
        ),
        (
            (
                "(Do Not Modify) Account|Account Name|Main Phone|Address 1: City|Address 1: State/Province|"
                "Address 1: Country/Region|Primary Contact|Email (Primary Contact)"
            ),
            "display_name phone_numbers city region_code country contact_name contact_email",
        ),
        # 纷享销客 and Cordys
        (
            "姓名|客户名称|职务|电话|手机|邮件|负责人|备注",
            "contact_name display_name contact_title contact_phone contact_phone contact_email owner remarks",
        ),
        (
            "联系人姓名|所属客户|职位|联系电话|电子邮箱|公司电话",
            "contact_name display_name contact_title contact_phone contact_email phone_numbers",
        ),
        ("客户名称|姓名|手机", "display_name contact_name contact_phone"),
        # As the forms of Cordys are set up: customers, contacts, leads.
        (
            "客户名称|客户行业|客户等级|客户类型|客户来源|客户标签|地区|负责人",
            "display_name industry tags kind source tags region_code owner",
        ),
        ("客户名称|姓名|邮箱|手机号|负责人", "display_name contact_name contact_email contact_phone owner"),
        (
            "公司名称|线索来源|联系人名称|联系人电话|地区|负责人",
            "display_name source contact_name contact_phone region_code owner",
        ),
        # Odoo lists people and companies alike, each as a record of its own.
        (
            "Name*|Company Type*|Related Company|Phone|Mobile|Email",
            "display_name kind parent phone_numbers phone_numbers emails",
        ),
        # Who tells people's columns from the company's means the others to be the company's.
        (
            "客户名称|电话|邮箱|联系人|联系人手机",
            "display_name phone_numbers emails contact_name contact_phone",
        ),
        (
            "Company|Company Phone|Main Phone|Contact Name|Phone|E-mail",
            "display_name phone_numbers phone_numbers contact_name contact_phone contact_email",
        ),
    ],
)
def test_where_a_sheet_has_people_plain_phones_and_mails_are_theirs(header: str, fields: str) -> None:
    assert list(guess_mapping(header.split("|")).values()) == fields.split()


def test_who_is_told_to_be_a_person_has_the_plain_phones() -> None:
    header = ["Company", "Who", "Phone"]
    assert mapping_for(header, {"Who": "contact_name"}) == {
        "Company": "display_name",
        "Who": "contact_name",
        "Phone": "contact_phone",
    }
    assert mapping_for(header, {"Who": "contact_name", "Phone": "phone_numbers"})["Phone"] == "phone_numbers"


def test_each_field_is_what_its_own_name_says() -> None:
    names = [str(each) for each in Field]
    assert guess_mapping(names) == {name: name for name in names}
    assert guess_mapping(["id", "External ID", "external_ids"]) == {"id": "id", "external_ids": "external_ids"}
