"""What an administrator has set up before it begins: a rule, a policy, and a program that is told by webhook."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

from standardwebhooks import Webhook

from tests.chaos.target import Target
from tests.chaos.writing import Client, Ledger
from tests.service.customer.webhooks.receiving import Answer, Received, receiving

TOLD_OF = ("account.created", "account.updated", "account.status_changed")
# Every process knows a new rule and a new policy by then.
KNOWN_SECONDS = 2.0


class Hearer:
    """Remembers which messages about an account have come; one that comes again has the same id."""

    def __init__(self) -> None:
        self._secret = ""
        self.told: dict[str, set[str]] = defaultdict(set)

    async def take(self, received: Received) -> Answer:
        said = Webhook(self._secret).verify(received.body, received.headers)["data"]
        self.told[said["record_id"]].add(received.id)
        return 204, {}, b""

    def knows(self, secret: str) -> None:
        self._secret = secret


@contextlib.asynccontextmanager
async def standing(platform: Target, client: Client, ledger: Ledger, *, hears: bool) -> AsyncIterator[Client]:
    """Set it up in the demo tenant, and give another administrator, whom credit limits wait for.

    `hears` where the platform may call a program on this machine.
    """
    login, password = f"approver-{uuid4().hex[:8]}", uuid4().hex
    roles = (await said(client, "GET", "/v1/roles?page_size=200"))["roles"]
    administrators = [each["id"] for each in roles if each["display_name"] == "ADMINISTRATOR"]
    user = await said(
        client, "POST", "/v1/users", {"display_name": "复核人", "login": login, "role_ids": administrators}
    )
    await said(client, "POST", f"/v1/users/{user['id']}:setPassword", {"password": password})
    approver = Client(platform, platform.demo_login | {"login": login, "password": password})
    try:
        await approver.sign_in()
        rule, policy = await set_up(client, user["id"])
        async with contextlib.AsyncExitStack() as stack:
            if hears:
                ledger.heard = (await stack.enter_async_context(hearing(client))).told
            await asyncio.sleep(KNOWN_SECONDS)
            ledger.told_user_id = user["id"]
            yield approver
        # What comes after it in this tenant goes its own way.
        for path in (rule, policy):
            await said(client, "POST", f"{path}:archive", {})
    finally:
        await approver.close()


async def set_up(client: Client, approver_id: str) -> tuple[str, str]:
    """Paths of a rule that has something done about each new account, and of a policy that has limits approved."""
    rules, policies = "/v1/automation-rules/accounts", "/v1/approval-policies/credit-limits"
    rule = await said(
        client,
        "POST",
        rules,
        {
            "display_name": "新客户三天内拜访",
            "trigger": {"events": ["CREATED"]},
            "actions": [
                {
                    "creation": {
                        "collection": "tasks",
                        "values": {"title": "拜访{{record.display_name}}", "due_date": "{{cause.date+3d}}"},
                    }
                },
                {"notification": {"user_ids": [approver_id], "text": "新客户{{record.display_name}}"}},
            ],
        },
    )
    await said(client, "POST", f"{rules}/{rule['id']}:activate", {"etag": rule["etag"]})
    asked = {"outcome": "ASK", "steps": [{"mode": "ANY", "user_ids": [approver_id]}]}
    body = {"verb": "setLimit", "display_name": "信用额度审批", "rows": [asked]}
    policy = await said(client, "POST", policies, body)
    return f"{rules}/{rule['id']}", f"{policies}/{policy['id']}"


@contextlib.asynccontextmanager
async def hearing(client: Client) -> AsyncIterator[Hearer]:
    """A program that is told of accounts as long as the block takes."""
    hearer = Hearer()
    async with receiving() as receiver:
        receiver.answering = hearer.take
        body = {"display_name": "ERP", "url": receiver.url, "event_types": [*TOLD_OF]}
        hearer.knows((await said(client, "POST", "/v1/webhook-endpoints", body))["secret"])
        yield hearer


async def said(client: Client, verb: str, path: str, body: Any = None) -> Any:
    """What is answered while nothing is disturbed yet."""
    answer = await client.send(verb, path, body)
    if answer.status_code not in {200, 201}:
        raise RuntimeError(f"{verb} {path}: {answer.status_code} {answer.text[:500]}")
    return answer.json()
