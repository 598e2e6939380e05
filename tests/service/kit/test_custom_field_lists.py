"""Lists filtered and ordered by custom fields, page by page, and summaries."""

from datetime import time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from crm.customer.v1 import accounts_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.resource.v1 import custom_fields_pb2 as pb
from crm.resource.v1 import resources_pb2 as generic
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm_kit.clock import system_now
from crm_kit.identity.access import Scope

from tests.service.clocks import until_weekday
from tests.service.customer.customers import new_account
from tests.service.kit.custom_fields import (
    BOOL,
    DATE,
    MULTI_SELECT,
    NUMBER,
    REFERENCE,
    SINGLE_SELECT,
    listed,
    message_values,
    new_field,
    options,
    stub_of,
)
from tests.service.running import Running, User, refused

# What each account is called, and the values it has.
ACCOUNTS: dict[str, dict[str, Any]] = {
    "a": {"contract_no": "HT-10", "area": "9.5", "signed": "2026-03-01", "vip": True, "grade": "gold", "tags": ["x"]},
    "b": {"contract_no": "HT-9", "area": "120.5", "signed": "2026-01-31", "vip": False, "tags": ["x", "y"]},
    "c": {"contract_no": "ht-8", "area": "-3", "grade": "silver"},
    "d": {"area": "9.50", "vip": True, "grade": "silver", "tags": ["y"]},
    "e": {},
}


@pytest.fixture
async def user(customer: Running) -> User:
    user = await customer.user()
    await new_field(customer, user, "contract_no")
    await new_field(customer, user, "area", NUMBER)
    await new_field(customer, user, "signed", DATE)
    await new_field(customer, user, "vip", BOOL)
    await new_field(customer, user, "grade", SINGLE_SELECT, options=options("gold", "silver"))
    await new_field(customer, user, "tags", MULTI_SELECT, options=options("x", "y"))
    await new_field(customer, user, "engineer", REFERENCE, reference_collection="users")
    for name, values in ACCOUNTS.items():
        told = {**values, **({"engineer": str(user.id)} if name in "ab" else {})}
        await new_account(customer, user, display_name=name, custom=message_values(told))
    return user


@pytest.mark.parametrize(
    ("filter", "names"),
    [
        ('custom.contract_no = "HT-9"', "b"),
        ('custom.contract_no != "HT-9"', "acde"),
        ("custom.contract_no:ht-", "abc"),
        ("NOT custom.contract_no:ht-", "de"),
        ('custom.contract_no = "ht-9"', "b"),
        ('custom.contract_no >= "HT-8"', "bc"),
        ("custom.contract_no = null", "de"),
        ("custom.contract_no:*", "abc"),
        ("custom.area = 9.50", "ad"),
        ("custom.area < 9.6", "acd"),
        ("NOT custom.area < 9.6", "be"),
        ("custom.area IN (-3, 120.5)", "bc"),
        ("custom.signed > 2026-02-01", "a"),
        ("custom.signed != null", "ab"),
        ("custom.vip = true", "ad"),
        ("custom.vip != true", "bce"),
        ("custom.grade = silver", "cd"),
        ("custom.grade IN (gold, silver)", "acd"),
        ("custom.tags:x", "ab"),
        ("custom.tags:x AND custom.tags:y", "b"),
        ("NOT custom.tags:y", "ace"),
        ("custom.vip = true AND (custom.grade = gold OR custom.area < 0)", "a"),
        ("custom.vip = true OR custom.area < 0", "acd"),
        ("NOT (custom.vip = true OR custom.area < 0)", "be"),
    ],
)
async def test_a_list_is_filtered_by_custom_fields(customer: Running, user: User, filter: str, names: str) -> None:
    assert "".join(sorted(await listed(customer, user, filter))) == names


async def test_a_reference_is_filtered_by_its_id(customer: Running, user: User) -> None:
    assert sorted(await listed(customer, user, f"custom.engineer = {user.id}")) == ["a", "b"]
    assert sorted(await listed(customer, user, f"custom.engineer IN ({user.id})")) == ["a", "b"]
    assert sorted(await listed(customer, user, f"custom.engineer != {user.id}")) == ["c", "d", "e"]


@pytest.mark.parametrize("size", [1, 2, 3, 200])
@pytest.mark.parametrize(
    ("order_by", "names"),
    [
        ("custom.area", "cadbe"),
        ("custom.area desc", "bdace"),
        ("custom.contract_no", "acbde"),
        ("custom.contract_no desc", "bcaed"),
        ("custom.signed desc, display_name", "abcde"),
        ("custom.grade, custom.area desc", "adcbe"),
        ("custom.vip, id desc", "bdaec"),
        ("display_name desc", "edcba"),
    ],
)
async def test_a_list_is_ordered_by_custom_fields_with_what_has_no_value_last(
    customer: Running, user: User, order_by: str, names: str, size: int
) -> None:
    assert "".join(await listed(customer, user, order_by=order_by, size=size)) == names


async def test_a_list_is_filtered_and_ordered_at_once_with_the_callers_scope(customer: Running, user: User) -> None:
    found = await listed(customer, user, "custom.area:*", "custom.area desc", size=2)
    assert "".join(found) == "bdac"
    narrow = await customer.user(user.tenant_id, grants={"accounts.read": Scope.OWN, "accounts.write": Scope.OWN})
    await new_account(customer, narrow, display_name="mine", custom=message_values({"area": "1"}))
    assert await listed(customer, narrow, "custom.area < 100", "custom.area") == ["mine"]


async def test_pages_go_backward_through_what_has_a_value_and_what_has_none(customer: Running, user: User) -> None:
    stub: Any = AccountServiceStub(customer.channel)
    request = accounts_pb2.ListAccountsRequest(order_by="custom.contract_no", page_size=2)
    pages, token = [], ""
    while True:
        request.page_token = token
        page = await stub.ListAccounts(request, metadata=user.metadata)
        pages.append(page)
        token = page.next_page_token
        if not token:
            break
    back = []
    while page.prev_page_token:
        request.page_token = page.prev_page_token
        page = await stub.ListAccounts(request, metadata=user.metadata)
        back.append([each.display_name for each in page.accounts])
    assert [[each.display_name for each in page.accounts] for page in pages] == [["a", "c"], ["b", "d"], ["e"]]
    assert back == [["b", "d"], ["a", "c"]]


@pytest.mark.parametrize(
    ("filter", "order_by", "reason"),
    [
        ("custom.colour = red", "", "INVALID_FILTER"),
        ("custom.area = wide", "", "INVALID_FILTER"),
        ("custom.grade = bronze", "", "INVALID_FILTER"),
        ("", "custom.colour", "INVALID_ARGUMENT"),
        ("", "custom.tags", "INVALID_ARGUMENT"),
        ("", "custom.engineer", "INVALID_ARGUMENT"),
    ],
)
async def test_what_no_list_can_go_by_is_refused(
    customer: Running, user: User, filter: str, order_by: str, reason: str
) -> None:
    with refused("INVALID_ARGUMENT", reason):
        await listed(customer, user, filter, order_by)


async def test_an_archived_field_is_no_field_of_lists(customer: Running, user: User) -> None:
    stub = stub_of(customer)
    page = await stub.ListCustomFields(pb.ListCustomFieldsRequest(collection="accounts"), metadata=user.metadata)
    area = next(each for each in page.custom_fields if each.key == "area")
    request = pb.ArchiveCustomFieldRequest(collection="accounts", id=area.id)
    await stub.ArchiveCustomField(request, metadata=user.metadata)
    with refused("INVALID_ARGUMENT", "INVALID_FILTER"):
        await listed(customer, user, "custom.area > 1")


async def test_a_retired_option_is_still_found(customer: Running, user: User) -> None:
    stub = stub_of(customer)
    page = await stub.ListCustomFields(pb.ListCustomFieldsRequest(collection="accounts"), metadata=user.metadata)
    grade = next(each for each in page.custom_fields if each.key == "grade")
    kept = pb.CustomField(id=grade.id, options=options("gold"))
    request = pb.UpdateCustomFieldRequest(collection="accounts", custom_field=kept)
    request.update_mask.paths.append("options")
    await stub.UpdateCustomField(request, metadata=user.metadata)
    assert sorted(await listed(customer, user, "custom.grade = silver")) == ["c", "d"]
    assert sorted(await listed(customer, user, "custom.grade != gold")) == ["b", "c", "d", "e"]


async def test_a_unique_value_of_an_archived_record_stays_taken_and_a_filter_finds_it(
    customer: Running, user: User
) -> None:
    await new_field(customer, user, "serial", unique=True)
    one = await new_account(customer, user, display_name="f", custom=message_values({"serial": "7"}))
    stub: Any = AccountServiceStub(customer.channel)
    await stub.ArchiveAccount(accounts_pb2.ArchiveAccountRequest(id=one.id), metadata=user.metadata)
    with refused("ALREADY_EXISTS", "CUSTOM_FIELD_VALUE_TAKEN"):
        await new_account(customer, user, custom=message_values({"serial": "7"}))
    assert await listed(customer, user, "custom.serial = 7") == []
    assert await listed(customer, user, "custom.serial = 7 AND status != null") == ["f"]


@pytest.mark.parametrize("at", [time(0, 5), time(23, 55)])
async def test_today_is_the_day_in_shanghai_whatever_the_day_is_in_utc(customer: Running, at: time) -> None:
    tenant_id = await customer.tenant(sandbox=True)
    zone = ZoneInfo("Asia/Shanghai")
    offset = until_weekday(2, at, zone)
    await customer.know_tenant(tenant_id, sandbox=True, clock_offset=offset, version=2)
    user = await customer.user(tenant_id)
    await new_field(customer, user, "signed", DATE)
    today = (system_now() + offset).astimezone(zone).date()
    for name, days in (("yesterday", -1), ("today", 0), ("tomorrow", 1)):
        signed = (today + timedelta(days=days)).isoformat()
        await new_account(customer, user, display_name=name, custom=message_values({"signed": signed}))
    for name in ("yesterday", "today", "tomorrow"):
        assert await listed(customer, user, f"custom.signed = {name}") == [name]


async def test_a_summary_filters_and_groups_by_custom_fields(customer: Running, user: User) -> None:
    resources: Any = ResourceServiceStub(customer.channel)
    request = generic.SummarizeRecordsRequest(collection="accounts", filter="custom.area < 100", group_by=["kind"])
    told = await resources.SummarizeRecords(request, metadata=user.metadata)
    assert told.total_count == sum(Decimal(each.get("area", 100)) < 100 for each in ACCOUNTS.values())


async def test_a_summary_groups_by_custom_fields_and_adds_their_numbers_up(customer: Running, user: User) -> None:
    resources: Any = ResourceServiceStub(customer.channel)
    request = generic.SummarizeRecordsRequest(
        collection="accounts", group_by=["custom.grade", "custom.vip"], sum=["custom.area"]
    )
    told = await resources.SummarizeRecords(request, metadata=user.metadata)
    wanted: dict[tuple[str, str], list[Decimal]] = {}
    for each in ACCOUNTS.values():
        key = (each.get("grade", ""), str(each["vip"]).lower() if "vip" in each else "")
        wanted.setdefault(key, []).append(Decimal(each.get("area", 0)))
    found = {
        (group.key.get("custom.grade", ""), group.key.get("custom.vip", "")): (
            group.count,
            sum((Decimal(each.number) for each in group.sums), Decimal(0)),
        )
        for group in told.groups
    }
    assert found == {key: (len(areas), sum(areas)) for key, areas in wanted.items()}


@pytest.mark.parametrize(
    ("group_by", "sum", "field"),
    [
        ("custom.tags", "", "group_by[0]"),
        ("custom.colour", "", "group_by[0]"),
        ("", "custom.grade", "sum[0]"),
        ("", "custom.no", "sum[0]"),
    ],
)
async def test_a_summary_by_what_is_no_such_custom_field_is_refused(
    customer: Running, user: User, group_by: str, sum: str, field: str
) -> None:
    resources: Any = ResourceServiceStub(customer.channel)
    request = generic.SummarizeRecordsRequest(
        collection="accounts", group_by=filter(None, [group_by]), sum=filter(None, [sum])
    )
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as told:
        await resources.SummarizeRecords(request, metadata=user.metadata)
    assert told.fields == [field]


async def test_an_archived_field_is_no_field_of_summaries_and_facets_filter_by_one_that_is(
    customer: Running, user: User
) -> None:
    resources: Any = ResourceServiceStub(customer.channel)
    facets = generic.CountRecordValuesRequest(collection="accounts", field="kind", filter="custom.grade = silver")
    assert (await resources.CountRecordValues(facets, metadata=user.metadata)).total_count == 2
    page = await stub_of(customer).ListCustomFields(
        pb.ListCustomFieldsRequest(collection="accounts"), metadata=user.metadata
    )
    (area,) = (each for each in page.custom_fields if each.key == "area")
    put_away = pb.ArchiveCustomFieldRequest(collection="accounts", id=area.id)
    await stub_of(customer).ArchiveCustomField(put_away, metadata=user.metadata)
    request = generic.SummarizeRecordsRequest(collection="accounts", sum=["custom.area"])
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await resources.SummarizeRecords(request, metadata=user.metadata)
