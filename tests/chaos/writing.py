"""Writers that never give up: each write is repeated under its key until the platform has acknowledged it."""

import asyncio
import random
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import httpx

from tests.chaos.target import Target

# What says "try again". A 500 or a 401 says something else, and would be wrong whatever is being killed.
AGAIN = frozenset({429, 503, 504})
NO_ANSWER = 0
IN_USE = "IDEMPOTENCY_KEY_IN_USE"
CALL_SECONDS = 12.0
# Writers rest this long between two writes: the kills shall meet load, not a queue.
REST_SECONDS = 0.02
AGAIN_AFTER_SECONDS = 0.05
TOO_LONG_SECONDS = 120.0
LIMIT = {"amount": "80000.00", "currency_code": "CNY"}


class NotAcknowledged(Exception):
    """A write was refused, or not acknowledged however long it was tried."""


@dataclass
class Account:
    """What was acknowledged of one account, so what must be there. `changes` are its versions after the first."""

    id: str
    marker: str
    etag: str
    changes: int = 0
    industry: str = ""
    interactions: list[str] = field(default_factory=list)
    opportunities: list[str] = field(default_factory=list)
    cases: list[str] = field(default_factory=list)
    payments: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    approvals: list[str] = field(default_factory=list)


@dataclass
class Ledger:
    """All that the platform has promised, and what it had `before`: by what it is of, how often each was there."""

    before: Mapping[str, Mapping[Any, int]] = field(default_factory=dict)
    accounts: list[Account] = field(default_factory=list)
    # Whom a rule tells of each new account, and by account the ids of the messages that a webhook has brought.
    told_user_id: str = ""
    heard: Mapping[str, set[str]] | None = None
    acknowledged: Counter[str] = field(default_factory=Counter)
    repeated: Counter[str] = field(default_factory=Counter)
    replayed: int = 0
    # How often a try was answered how; NO_ANSWER where the connection broke.
    answers: Counter[int] = field(default_factory=Counter)
    # What was said where a write was tried again, with how often.
    again: Counter[str] = field(default_factory=Counter)
    longest_seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    refused: list[str] = field(default_factory=list)


class Client:
    """The platform as a caller sees it."""

    def __init__(self, platform: Target, login: dict[str, str] | None = None) -> None:
        self._login = login or platform.demo_login
        limits = httpx.Limits(max_connections=40)
        self._http = httpx.AsyncClient(base_url=platform.rest_url, trust_env=False, timeout=CALL_SECONDS, limits=limits)
        self._token = ""

    async def close(self) -> None:
        await self._http.aclose()

    async def sign_in(self) -> None:
        """Get a token, however long that takes."""
        while True:
            try:
                answer = await self._http.post("/v1/auth:token", json=self._login)
            except httpx.HTTPError:
                answer = httpx.Response(503)
            if answer.status_code == 200:
                self._token = answer.json()["access_token"]
                return
            await asyncio.sleep(AGAIN_AFTER_SECONDS)

    async def send(self, verb: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        """One try; httpx.HTTPError when there is no answer."""
        sent = {"authorization": f"Bearer {self._token}"} | headers
        return await self._http.request(verb, path, json=body, headers=sent)


def said_in(answer: httpx.Response) -> str:
    """What an answer that is none says, without what is of this request alone."""
    if answer.headers.get("content-type") != "application/problem+json":
        return answer.text[:200]
    problem = answer.json()
    return f"{problem['reason']}: {problem['detail']}"[:200]


class Writer:
    """One writer; it alone changes its accounts. It asks for credit limits where there is an approver."""

    def __init__(self, client: Client, ledger: Ledger, seed: int, approver: Client | None = None) -> None:
        self._client = client
        self._approver = approver
        self._ledger = ledger
        self._random = random.Random(seed)

    async def run(self, stop: asyncio.Event) -> None:
        """Write until told to stop; what has begun is brought to its end."""
        while not stop.is_set():
            try:
                account = await self._create()
                for step in self._steps():
                    await asyncio.sleep(REST_SECONDS)
                    await step(account)
            except NotAcknowledged as error:
                self._ledger.refused.append(str(error))

    def _steps(self) -> list[Any]:
        steps = [self._update, self._change_status, self._interact, self._offer, self._open_case, self._pay]
        steps += [self._comment, *([self._approve] if self._approver else [])]
        return self._random.sample(steps, k=5)

    async def _create(self) -> Account:
        marker = uuid4().hex
        body = {"kind": "ORGANIZATION", "display_name": f"混沌 {marker[:8]}", "source": marker}
        created = await self._acknowledged("account", "/v1/accounts", body)
        account = Account(created["id"], marker, created["etag"])
        self._ledger.accounts.append(account)
        return account

    async def _update(self, account: Account) -> None:
        """An update has no key: when its answer is lost, the etag keeps a second one from taking effect."""
        value = uuid4().hex
        path = f"/v1/accounts/{account.id}"
        lost = False

        async def attempt() -> httpx.Response:
            nonlocal lost
            tried_before, lost = lost, True
            answer = await self._client.send("PATCH", path, {"industry": value}, **{"if-match": f'"{account.etag}"'})
            if answer.status_code == 412 and tried_before:
                # Some try whose answer we never saw may be the one that stood in the way.
                answer = await self._client.send("GET", path)
                if answer.status_code == 200 and answer.json()["industry"] != value:
                    raise NotAcknowledged(f"update of {path}: the etag is stale and the value is not ours")
            return answer

        updated = await self._persist("update", attempt)
        self._changed(account, updated["etag"])
        account.industry = value

    async def _change_status(self, account: Account) -> None:
        body = {"status": "ACTIVE"}
        changed = await self._acknowledged("status", f"/v1/accounts/{account.id}:changeStatus", body)
        self._changed(account, changed["etag"])

    def _changed(self, account: Account, etag: str) -> None:
        account.etag = etag
        account.changes += 1

    async def _interact(self, account: Account) -> None:
        body = {
            "account_id": account.id,
            "channel": "CALL",
            "direction": "OUTBOUND",
            "subject": "混沌",
        }
        account.interactions.append((await self._acknowledged("interaction", "/v1/interactions", body))["id"])

    async def _offer(self, account: Account) -> None:
        body = {"account_id": account.id, "display_name": "混沌"}
        account.opportunities.append((await self._acknowledged("opportunity", "/v1/opportunities", body))["id"])

    async def _open_case(self, account: Account) -> None:
        body = {"account_id": account.id, "kind": "COMPLAINT", "title": "混沌"}
        account.cases.append((await self._acknowledged("case", "/v1/cases", body))["id"])

    async def _pay(self, account: Account) -> None:
        body = {"account_id": account.id, "amount": {"amount": "7.00", "currency_code": "CNY"}}
        account.payments.append((await self._acknowledged("payment", "/v1/payments", body))["id"])

    async def _comment(self, account: Account) -> None:
        path = f"/v1/accounts/{account.id}/comments"
        account.comments.append((await self._acknowledged("comment", path, {"text": "混沌"}))["id"])

    async def _approve(self, account: Account) -> None:
        """A limit that somebody else agrees to: it is set by that, and by nothing else."""
        limit = {"account_id": account.id, "amount": LIMIT, "reason": "混沌"}
        path = "/v1/approvals/credit-limits"
        submitted = await self._acknowledged("submission", f"{path}:setLimit", {"request": limit})
        decided = await self._acknowledged("approval", f"{path}/{submitted['id']}:approve", {}, self._approver)
        if decided["state"] != "APPROVED":
            raise NotAcknowledged(f"approval of {path}/{submitted['id']}: it is {decided['state']}")
        account.approvals.append(submitted["id"])

    async def _acknowledged(self, what: str, path: str, body: Any, client: Client | None = None) -> Any:
        """The answer to a write under a key of its own."""
        key, caller = str(uuid4()), client or self._client
        return await self._persist(what, lambda: caller.send("POST", path, body, **{"idempotency-key": key}))

    async def _persist(self, what: str, attempt: Any) -> Any:
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            try:
                answer = await attempt()
            except httpx.HTTPError as error:
                answer = httpx.Response(503, text=type(error).__name__)
                self._ledger.answers[NO_ANSWER] += 1
            else:
                self._ledger.answers[answer.status_code] += 1
            if answer.status_code in {200, 201}:
                self._ledger.acknowledged[what] += 1
                self._ledger.replayed += answer.headers.get("idempotent-replayed") == "true"
                took = loop.time() - began
                self._ledger.longest_seconds[what] = max(self._ledger.longest_seconds[what], took)
                return answer.json()
            told = f"{what}: {answer.status_code} {answer.text[:300]}"
            if answer.status_code not in AGAIN and not (answer.status_code == 409 and IN_USE in answer.text):
                raise NotAcknowledged(told)
            if loop.time() - began > TOO_LONG_SECONDS:
                raise NotAcknowledged(f"{told}, for {TOO_LONG_SECONDS:.0f} s")
            self._ledger.repeated[what] += 1
            self._ledger.again[f"{what}: {answer.status_code} {said_in(answer)}"] += 1
            await asyncio.sleep(AGAIN_AFTER_SECONDS * (1 + self._random.random()))
