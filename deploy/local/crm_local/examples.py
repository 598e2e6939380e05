"""What the demo tenant has to show at once: an order that waits for approval, a mailbox, calls, proposals, tasks.

The order is on hold. Its customer has a colleague in its team, a comment and a file, and is tagged by a job; of the
changes that the analyst proposed of it one is accepted and one waits for its owner. The mailbox has a conversation with
files about a case and a message that waits for a person. The hotline has a call that was talked on and one that was
missed. A role hides telephone numbers. Another customer is restricted, and all customers are exported as a workbook.
What is sold has prices in four price books.
They are made through the API by the people of the demo tenant, in `make run` and only where there is none of the kind
yet. Keys make a repetition harmless.
"""

import json
from base64 import b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import quote, urlsplit

from crm_local.example_prices import add_catalogue
from crm_local.failure import LocalFailure
from crm_local.processes import DEMO_LOGIN, DEMO_TENANT

Json = dict[str, Any]
MANAGER_LOGIN = "sales.manager@demo.example"
DEPUTY_LOGIN = "sales.north@demo.example"
ANALYST_LOGIN = "analyst@demo.example"
SECONDS = 30.0
CUSTOMER = {
    "kind": "ORGANIZATION",
    "display_name": "远洋船务有限公司",
    "region_code": "CN-SH",
    "industry": "shipping",
}
LIMIT = 500_000
UNCHECKED = 1_000_000
PRICE = 320_000
MAILBOX = {
    "display_name": "客服邮箱",
    "kind": "MAIL",
    "addresses": ["service@demo.example"],
    "case_opening": "KNOWN_SENDERS",
    "case_kind": "REPAIR",
}
# A conversation about one case: what a customer and her colleague abroad wrote, each with a file, and what we answered.
READINGS, NAMEPLATE = "电表读数.csv", "nameplate.txt"
MAILS = (
    (
        "陈晨",
        "chen@ocean.example",
        "<1@ocean.example>",
        "二号码头变压器异响",
        "今天早上开始有异响，读数见附件，请尽快派人检查。",
    ),
    (
        "Olaf Berg",
        "berg@ocean.example",
        "<3@ocean.example>",
        "Re: 二号码头变压器异响",
        "The data of its nameplate is attached.",
    ),
)
MAIL_FILES = (
    (READINGS, "日期,千瓦时\n2026-11-26,412\n2026-11-27,398\n"),
    (NAMEPLATE, "2500 kVA, 10/0.4 kV, Dyn11, 2019\n"),
)
ANSWER = "您好，已安排工程师今天下午到场检查。"
STRANGER = {
    "source_id": "<2@elsewhere.example>",
    "from_address": "li@elsewhere.example",
    "from_name": "李强",
    "subject": "咨询",
    "text": "请问你们周末上门吗？",
}
HOTLINE = {
    "display_name": "客服热线",
    "kind": "TELEPHONE",
    "addresses": ["+8675586661234"],
    "recording_hosts": ["recordings.demo.example"],
}
RESTRICTED: Json = {"display_name": "远航重工集团", "kind": "ORGANIZATION", "industry": "heavy machinery"}
AGENT_LOGIN = "service.agent@demo.example"
AGENT_EXTENSION = "801"
# A call that was talked on, and one that nobody answered: minutes ago, what happened, and what it has besides.
CALLS: tuple[tuple[str, str, tuple[tuple[float, str, Json], ...]], ...] = (
    (
        "demo.1",
        "+8613800138000",
        (
            (30, "RINGING", {"extension": AGENT_EXTENSION, "queue": "售后"}),
            (29.8, "ANSWERED", {"extension": AGENT_EXTENSION}),
            (26, "ENDED", {"cause": "COMPLETED"}),
        ),
    ),
    (
        "demo.2",
        "+8613900139000",
        (
            (12, "RINGING", {"extension": AGENT_EXTENSION, "queue": "售后"}),
            (11.5, "ENDED", {"cause": "ABANDONED"}),
        ),
    ),
)
HIDING = "市场分析（不含电话）"
ANALYSED = ("accounts", "contacts", "leads")
HIDDEN = ("accounts.phone_numbers", "contacts.phone_numbers", "leads.phone_number")
COMMENT = "@管理员 他们明年要建第二个船厂，请关注信用额度。"
FILE_NAME = "会议纪要.txt"
TASKS = (
    ("accounts", "确认二期工程预付款", "HIGH", 0),
    ("orders", "催客户回签合同", "NORMAL", 7),
    ("cases", "回访，确认变压器已修好", "NORMAL", 14),
    ("scores", "年底前复核客户评分", "LOW", 30),
)
MINUTES = "2026年11月20日 与陈晨通话：二期工程三月开工，预付一半。\n"
TAGS = ["重点客户"]
# The first is accepted, the second waits.
PROPOSALS = (
    {"values": {"short_name": "远洋船务"}, "reason": "客户在来函中都用这个简称。"},
    {
        "values": {"phone_numbers": ["+862158661234"], "website": "https://ocean.example"},
        "reason": "年报上的联系方式与档案不同。",
        "evidence": "客户2026年年报第三页",
        "link": "https://ocean.example/annual-report",
    },
)
REASON = "They open a second yard; half is paid before delivery."


def money(amount: int) -> Json:
    return {"amount": str(amount), "currency_code": "CNY"}


@dataclass(frozen=True)
class Person:
    """Somebody of the demo tenant at the API."""

    url: str
    token: str = ""

    def get(self, path: str) -> Json:
        """What is there."""
        return self._call("GET", path, None, "")

    def post(self, path: str, body: Json, key: str = "") -> Json:
        """What is made, once for a key."""
        return self._call("POST", path, body, key)

    def send(self, path: str, content: str, key: str) -> Json:
        """A file that is sent as it is."""
        return self._ask("POST", path, content.encode(), key, "application/octet-stream")

    def _call(self, method: str, path: str, body: Json | None, key: str) -> Json:
        content = None if body is None else json.dumps(body).encode()
        return self._ask(method, path, content, key, "application/json")

    def _ask(self, method: str, path: str, content: bytes | None, key: str, content_type: str) -> Json:
        address = urlsplit(self.url)
        headers = {"Content-Type": content_type}
        headers |= {"Authorization": f"Bearer {self.token}"} if self.token else {}
        headers |= {"Idempotency-Key": f"examples-{key}"} if key else {}
        connection = HTTPConnection(address.hostname or "", address.port, timeout=SECONDS)
        try:
            connection.request(method, path, content, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        except (OSError, HTTPException) as error:
            raise LocalFailure(f"{self.url} does not answer: {error}") from error
        finally:
            connection.close()
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise LocalFailure(f"{method} {path}: {answer.status} {text}")
        return dict(json.loads(text))


def add_examples(url: str, password: str) -> bool:
    """Make what is missing; whether anything was. LocalFailure names the request that was refused."""
    logins = DEMO_LOGIN, MANAGER_LOGIN, ANALYST_LOGIN
    admin, manager, analyst = [signed_in(url, login, password) for login in logins]
    made = [
        add_order(admin, manager),
        add_member(admin, manager),
        add_messages(admin),
        add_calls(admin),
        add_role(admin),
        add_work(admin, manager),
        add_proposals(manager, analyst),
        add_tasks(admin, manager),
        add_restricted_account(admin),
        add_export(admin),
        add_catalogue(admin),
    ]
    return any(made)


def add_order(admin: Person, manager: Person) -> bool:
    """An order whose release waits, where none was submitted yet."""
    if admin.get("/v1/approvals/orders?page_size=1")["approvals"]:
        return False
    order = held_order(manager)
    put_policy_in_use(admin)
    request = {"id": order["id"], "reason": REASON}
    manager.post("/v1/approvals/orders:release", {"request": request, "comment": REASON}, "approval")
    return True


def add_member(admin: Person, manager: Person) -> bool:
    """A deputy in the team of the order's customer, where nobody is in a team yet."""
    if admin.get("/v1/account-members?page_size=1")["account_members"]:
        return False
    named = quote(f'display_name = "{CUSTOMER["display_name"]}" AND owner_id = me')
    by_login = quote(f'login = "{DEPUTY_LOGIN}"')
    accounts = manager.get(f"/v1/accounts?filter={named}")["accounts"]
    deputies = admin.get(f"/v1/users?filter={by_login}")["users"]
    if not (accounts and deputies):
        return False
    member = {"account_id": accounts[0]["id"], "user_id": deputies[0]["id"], "role": "DEPUTY", "access": "WRITE"}
    manager.post("/v1/account-members", member, "member")
    return True


def add_role(admin: Person) -> bool:
    """A role that reads customers and hides their telephone numbers, where there is none yet."""
    if any(each["display_name"] == HIDING for each in admin.get("/v1/roles?page_size=200")["roles"]):
        return False
    grants = [{"permission": f"{collection}.read", "scope": "ALL"} for collection in ANALYSED]
    admin.post("/v1/roles", {"display_name": HIDING, "grants": grants, "hidden_fields": HIDDEN}, "role")
    return True


def add_messages(admin: Person) -> bool:
    """A mailbox with a conversation about a case and a message that waits, where there is none yet."""
    if has_channel(admin, "MAIL"):
        return False
    channel = {"channel_id": admin.post("/v1/channels", MAILBOX, "mailbox")["id"]}
    first, second = [b64encode(raw).decode() for raw in mails()]
    message = admin.post("/v1/mail:receive", channel | {"mail": first})
    case_id = admin.post(f"/v1/inbound-messages/{message['id']}:openCase", {}, "case")["case_id"]
    admin.post(f"/v1/cases/{case_id}:reply", {"text": ANSWER}, "answer")
    admin.post("/v1/mail:receive", channel | {"mail": second})
    admin.post("/v1/inbound-messages", STRANGER | channel)
    return True


def mails() -> list[bytes]:
    """The mails of the conversation; the second answers the first."""
    found: list[bytes] = []
    for (name, address, id, subject, text), (file_name, content) in zip(MAILS, MAIL_FILES, strict=True):
        mail = EmailMessage()
        mail["From"], mail["Message-ID"], mail["Subject"] = Address(name, addr_spec=address), id, subject
        if found:
            mail["In-Reply-To"] = MAILS[0][2]
        mail.set_content(text)
        mail.add_attachment(content.encode(), "text", "plain", filename=file_name)
        found.append(mail.as_bytes())
    return found


def add_calls(admin: Person) -> bool:
    """A hotline with a call that was talked on and one that nobody answered, where there are no telephones yet."""
    if has_channel(admin, "TELEPHONE"):
        return False
    by_login = quote(f'login = "{AGENT_LOGIN}"')
    agents = admin.get(f"/v1/users?filter={by_login}")["users"]
    extensions = [{"extension": AGENT_EXTENSION, "user_id": each["id"]} for each in agents]
    channel = admin.post("/v1/channels", HOTLINE | {"extensions": extensions}, "hotline")
    now = datetime.now(UTC)
    for source_id, number, parts in CALLS:
        known = {"source_id": source_id, "direction": "INBOUND", "from_number": number}
        for minutes, type, values in parts:
            time = (now - timedelta(minutes=minutes)).isoformat()
            event = known | {"type": type, "happen_time": time} | values
            admin.post("/v1/calls:receive", {"channel_id": channel["id"], "event": event})
    return True


def has_channel(admin: Person, kind: str) -> bool:
    """Whether there is a channel of a kind."""
    return bool(admin.get(f"/v1/channels?page_size=1&filter={quote(f'kind = {kind}')}")["channels"])


def add_work(admin: Person, manager: Person) -> bool:
    """A comment, a file and a job at the customer of the order, where there was no job yet."""
    asked = quote(f"display_name = {CUSTOMER['display_name']}")
    found = admin.get(f"/v1/accounts?page_size=1&filter={asked}")["accounts"]
    bulk_changes = quote("kind = BULK_CHANGE")
    if not found or manager.get(f"/v1/jobs/accounts?page_size=1&filter={bulk_changes}")["jobs"]:
        return False
    id = found[0]["id"]
    path = f"/v1/accounts/{id}"
    mentioned = admin.get("/v1/users:me")["user"]["id"]
    manager.post(f"{path}/comments", {"text": COMMENT, "mentioned_user_ids": [mentioned]}, "comment")
    manager.send(f"{path}/attachments:upload?name={quote(FILE_NAME)}", MINUTES, "file")
    change = {"filter": f'id = "{id}"', "expected_count": 1, "verb": "update", "request": {"tags": TAGS}}
    manager.post("/v1/accounts:bulkChange", change, "job")
    return True


def add_proposals(manager: Person, analyst: Person) -> bool:
    """Changes of the order's customer that the analyst proposes, where nothing was proposed yet."""
    proposals = "/v1/change-proposals/accounts"
    if analyst.get(f"{proposals}?page_size=1")["change_proposals"]:
        return False
    name = CUSTOMER["display_name"]
    named = quote(f'display_name = "{name}"')
    found = manager.get(f"/v1/accounts?filter={named}")["accounts"]
    account = found[0] if found else manager.post("/v1/accounts", CUSTOMER, "account")
    first, _ = [analyst.post(proposals, each | {"record_id": account["id"]}) for each in PROPOSALS]
    manager.post(f"{proposals}/{first['id']}:accept", {"comment": "谢谢，已核实。"}, "accept")
    return True


def add_tasks(admin: Person, manager: Person) -> bool:
    """A task in each service that has a record so far, where the manager has none yet."""
    me = manager.get("/v1/users:me")["user"]["id"]
    if manager.get("/v1/tasks?page_size=1")["tasks"]:
        return False
    made = False
    for collection, title, priority, days in TASKS:
        found = manager.get(f"/v1/{collection}?page_size=1")[collection]
        if found:
            due_date = (datetime.now(UTC).date() + timedelta(days=days)).isoformat()
            task = {"title": title, "priority": priority, "due_date": due_date, "assignee_id": me}
            task["record_id"] = found[0]["id"]
            admin.post(f"/v1/tasks/{collection}", task, "task")
            made = True
    return made


def add_restricted_account(admin: Person) -> bool:
    """A customer whose details are open to few, where none is restricted yet."""
    filter = quote("restricted = true")
    if admin.get(f"/v1/accounts?filter={filter}&page_size=1")["accounts"]:
        return False
    account = admin.post("/v1/accounts", RESTRICTED, "restricted-account")
    admin.post(f"/v1/accounts/{account['id']}:restrict", {"reason": "price negotiation"}, "restriction")
    return True


def add_export(admin: Person) -> bool:
    """A workbook of all customers, where none was exported yet."""
    filter = quote("kind = EXPORT")
    if admin.get(f"/v1/jobs/accounts?filter={filter}&page_size=1")["jobs"]:
        return False
    admin.post("/v1/accounts:export", {"format": "XLSX", "language": "zh"}, "export")
    return True


def signed_in(url: str, login: str, password: str) -> Person:
    body = {"tenant": DEMO_TENANT, "login": login, "password": password}
    return Person(url, Person(url).post("/v1/auth:token", body)["access_token"])


def held_order(manager: Person) -> Json:
    """An order that is more than its customer may owe."""
    account = manager.post("/v1/accounts", CUSTOMER, "account")
    limit = {"amount": money(LIMIT), "reason": "Paid in time."}
    manager.post(f"/v1/accounts/{account['id']}/credit:setLimit", limit, "limit")
    line = {"product": "Transformer 2500 kVA", "quantity": "4", "unit_price": money(PRICE)}
    body = {"account_id": account["id"], "currency_code": "CNY", "lines": [line]}
    order = manager.post("/v1/orders", body, "order")
    return manager.post(f"/v1/orders/{order['id']}:place", {}, "place")


def put_policy_in_use(admin: Person) -> None:
    """Beyond a million an administrator approves the release, within two working days."""
    roles = admin.get("/v1/roles?page_size=200")["roles"]
    administrators = [each["id"] for each in roles if each["built_in"] and each["display_name"] == "ADMINISTRATOR"]
    step = {"mode": "ANY", "role_ids": administrators, "due_hours": 16, "hours_counted": "WORKING"}
    rows = [
        {"up_to": money(UNCHECKED), "outcome": "ALLOW"},
        {"outcome": "ASK", "steps": [step]},
    ]
    policy = {"verb": "release", "display_name": "大额订单放行审批", "rows": rows}
    admin.post("/v1/approval-policies/orders", policy, "policy")
