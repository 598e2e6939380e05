"""Whatever route gives a large answer, it asks for room, leaves the loop to others, and says what was too large."""

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from crm.customer.v1 import accounts_pb2, contacts_pb2, imports_pb2, roles_pb2, users_pb2
from crm.resource.v1 import approvals_pb2, custom_fields_pb2, resources_pb2
from crm.sales.v1 import orders_pb2, payments_pb2
from crm_gateway.exchange import Exchange
from crm_gateway.large_answers import LargeAnswers
from crm_gateway.routes import approvals

from tests.steps import ATTEMPTS, watched
from tests.unit.gateway.served import served
from tests.unit.gateway.services import Answer, serving

ID = "0190c2f0-0000-7000-8000-000000000001"
WAITING = "/crm.resource.v1.ApprovalService/ListWaitingApprovals"
START = datetime(2026, 11, 2, 9, tzinfo=UTC)
IN_CHINESE = {"accept-language": "zh"}


def numbered(number: int) -> str:
    return f"0190c2f0-0000-7000-8000-{number:012}"


def approval(number: int, comment: str = "") -> approvals_pb2.Approval:
    """One that was submitted so many minutes after the start."""
    made = approvals_pb2.Approval(id=numbered(number), comment=comment)
    made.create_time.FromDatetime(START + timedelta(minutes=number))
    found: approvals_pb2.Approval = served(made)
    return found


def waiting(**numbers: list[int]) -> Answer:
    """Approvals of collections, with comments of 10,000 bytes each, in pages as they are asked for."""

    def answer(asked: approvals_pb2.ListWaitingApprovalsRequest) -> approvals_pb2.ListWaitingApprovalsResponse:
        of_collection = numbers.get(asked.collection, [])
        return approvals_pb2.ListWaitingApprovalsResponse(
            approvals=[approval(each, "c" * 10_000) for each in of_collection[: asked.page_size]],
            next_page_token="next" if len(of_collection) > asked.page_size else "",
        )

    return approvals_pb2.ListWaitingApprovalsRequest, answer


def page_of_orders(number: int) -> bytes:
    """Orders with 200 lines each; as a page of a list and as what was read by id."""
    order = served(orders_pb2.Order(lines=[orders_pb2.OrderLine(product="P-1", quantity="1")] * 200))
    page = orders_pb2.ListOrdersResponse(orders=[order] * number)
    for at, each in enumerate(page.orders):
        each.id = numbered(at)
    return page.SerializeToString()


def always(asked: Any, response: Any) -> Answer:
    data = response if isinstance(response, bytes) else response.SerializeToString()
    return asked, lambda _: data


ORDERS = page_of_orders(120)
PAYMENTS = payments_pb2.ListPaymentsResponse(
    payments=[served(payments_pb2.Payment(id=numbered(at), order_id=numbered(at))) for at in range(120)]
)
REPORT = imports_pb2.ImportReport(
    file_name="leads", header=["a"], rows=[imports_pb2.ImportReport.Row(cells=["c" * 1000])] * 2000
)
LABEL = custom_fields_pb2.CustomField.Label(en="Option", zh="选项")
OPTIONS = [custom_fields_pb2.CustomField.Option(key=f"key_{at}", label=LABEL) for at in range(200)]
CUSTOM_FIELDS = custom_fields_pb2.ListCustomFieldsResponse(
    custom_fields=[
        served(custom_fields_pb2.CustomField(key=f"field_{at}", label=LABEL, options=OPTIONS)) for at in range(100)
    ]
)
CALLER = users_pb2.CurrentUser(
    grants=[roles_pb2.Grant(permission="orders.read", scope=roles_pb2.Grant.SCOPE_ALL)],
)
ANSWERS = {
    "/crm.sales.v1.OrderService/ListOrders": always(orders_pb2.ListOrdersRequest, ORDERS),
    "/crm.sales.v1.PaymentService/ListPayments": always(payments_pb2.ListPaymentsRequest, PAYMENTS),
    "/crm.resource.v1.ResourceService/BatchGetRecords": always(resources_pb2.BatchGetRecordsRequest, ORDERS),
    "/crm.customer.v1.ImportService/GetImportReport": always(imports_pb2.GetImportReportRequest, REPORT),
    "/crm.customer.v1.AccountService/GetAccount": always(
        accounts_pb2.GetAccountRequest, served(accounts_pb2.Account(id=ID))
    ),
    "/crm.customer.v1.UserService/GetCurrentUser": always(users_pb2.GetCurrentUserRequest, CALLER),
    "/crm.resource.v1.CustomFieldService/ListCustomFields": always(
        custom_fields_pb2.ListCustomFieldsRequest, CUSTOM_FIELDS
    ),
    WAITING: waiting(orders=list(range(100)), credit_limits=list(range(100, 200))),
}


@pytest.fixture
def asked_for(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The bytes for which room was asked."""
    sizes: list[int] = []
    room = LargeAnswers.room

    async def noted(answers: LargeAnswers, exchange: Exchange, size: int, *, is_read: bool = True) -> None:
        sizes.append(size)
        await room(answers, exchange, size, is_read=is_read)

    monkeypatch.setattr(LargeAnswers, "room", noted)
    return sizes


@pytest.mark.parametrize(
    ("path", "size"),
    [
        ("/v1/orders?page_size=200", len(ORDERS)),
        ("/v1/payments?include=order&fields=id", len(ORDERS)),
        ("/v1/approvals", 200 * 10_000),
        ("/v1/approvals/orders:waiting?page_size=200", 100 * 10_000),
        (f"/v1/accounts/{ID}/360", len(ORDERS)),
        ("/v1/orders:export", len(ORDERS)),
        (f"/v1/imports/{ID}/report.csv", 2000 * 1000),
        ("/v1/metadata/orders", 100 * 200 * 20),
        ("/openapi.json", 1 << 20),
    ],
)
async def test_a_large_answer_asks_for_room_and_leaves_the_loop_to_others(
    path: str, size: int, asked_for: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serving(ANSWERS) as client:
        # What is read once is compiled.
        await client.get(path)
        held_up = []
        for _ in range(ATTEMPTS):
            asked_for.clear()
            with watched(monkeypatch) as steps:
                answer = await client.get(path)
            assert answer.status_code == 200, answer.text
            assert sum(asked_for) >= size
            held_up.append(steps.too_long)
            if not steps.too_long:
                break
    # The quietest of them: the service that answers has the same loop, and the machine other things to do.
    assert [] in held_up, held_up


async def test_what_is_included_is_there_as_before() -> None:
    async with serving(ANSWERS) as client:
        found = (await client.get("/v1/payments?include=order")).json()
    assert found["missing"] == []
    assert len(found["included"]["orders"]) == len(found["payments"]) == 120
    assert found["included"]["orders"][numbered(7)]["lines"][199]["product"] == "P-1"


async def test_a_page_that_is_too_large_says_to_ask_for_a_smaller_one() -> None:
    async with serving(ANSWERS, max_message_bytes=100_000) as client:
        answers = [await client.get("/v1/orders", headers=headers) for headers in ({}, IN_CHINESE)]
    told = [each.json() for each in answers]
    assert [(each["status"], each["reason"], each["metadata"]) for each in told] == [
        (422, "RESPONSE_TOO_LARGE", {"max_bytes": "100000"})
    ] * 2
    assert [each["detail"] for each in told] == [
        "The page would have more than 100000 bytes; ask for fewer records with a smaller page_size.",
        "该页将超过 100000 字节，请用更小的 page_size 减少每页条数。",
    ]


async def listed(client: httpx.AsyncClient) -> dict[str, Any]:
    answer = await client.get("/v1/approvals")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_of_what_waits_and_is_too_large_the_oldest_are_there_and_it_is_said_that_more_waits() -> None:
    answers = {WAITING: waiting(orders=list(range(200)))}
    async with serving(answers, max_message_bytes=600_000) as client:
        found = await listed(client)
    assert [each["id"] for each in found["approvals"]] == [numbered(each) for each in range(50)]
    assert (found["more"], found["missing"]) == (["orders"], [])


async def test_nothing_is_listed_that_is_newer_than_what_was_left_out() -> None:
    many, few = list(range(200)), [10, 20, 300]
    answers = {WAITING: waiting(orders=many, credit_limits=few)}
    async with serving(answers, max_message_bytes=600_000) as client:
        found = await listed(client)
    assert [each["id"] for each in found["approvals"]] == [numbered(each) for each in sorted([*many[:50], 10, 20])]
    assert found["more"] == ["credit-limits", "orders"]


async def test_all_that_waits_has_so_many_bytes_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approvals, "MAX_BYTES", 55_000)
    async with serving({WAITING: waiting(orders=[0, 2, 4], credit_limits=[1, 3, 5])}) as client:
        found = await listed(client)
    assert [each["id"] for each in found["approvals"]] == [numbered(each) for each in range(5)]
    assert (found["more"], found["missing"]) == (["credit-limits"], [])


async def test_the_page_of_an_account_has_as_many_of_a_part_as_fit() -> None:
    def contacts(asked: contacts_pb2.ListContactsRequest) -> contacts_pb2.ListContactsResponse:
        contact = served(contacts_pb2.Contact(preferences="c" * 10_000))
        more = "next" if asked.page_size < 50 else ""
        return contacts_pb2.ListContactsResponse(contacts=[contact] * asked.page_size, next_page_token=more)

    answers = ANSWERS | {"/crm.customer.v1.ContactService/ListContacts": (contacts_pb2.ListContactsRequest, contacts)}
    del answers["/crm.sales.v1.OrderService/ListOrders"]
    async with serving(answers, max_message_bytes=200_000) as client:
        page = (await client.get(f"/v1/accounts/{ID}/360")).json()
    assert (len(page["contacts"]), page["more"]) == (12, ["contacts"])
    assert "contacts" not in [each["part"] for each in page["missing"]]
