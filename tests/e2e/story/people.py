"""Somebody who works with the platform: signed in, over REST, and patient where events need a moment."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

Json = dict[str, Any]
PAUSE_SECONDS = 0.05
# Until every replica goes by a policy or a rule that is new: within a second, as the documents say.
KNOWN_SECONDS = 1.2
PATIENCE_SECONDS = 60.0
# The gateway says how long to wait; longer than this nobody wants to.
LONGEST_WAIT_SECONDS = 5


class NotAsTold(AssertionError):
    """The platform did something else than the story says."""


async def known_everywhere() -> None:
    """Wait until a new policy or rule holds in every process."""
    await asyncio.sleep(KNOWN_SECONDS)


def hold(is_so: object, otherwise: str) -> None:
    """The story goes on only when it is so."""
    if not is_so:
        raise NotAsTold(otherwise)


@dataclass(slots=True)
class Person:
    """A user of the demo tenant, known to the reader by `name`."""

    name: str
    id: str
    http: httpx.AsyncClient
    token: str

    async def get(self, path: str, **parameters: Any) -> Json:
        """The answer to a GET that goes well."""
        return await self._good(await self.send("GET", path, params=parameters))

    async def post(self, path: str, body: Json | None = None, *, key: str = "") -> Json:
        """The answer to a POST that goes well; the key is a new one unless it is given."""
        headers = {"idempotency-key": key or str(uuid4())}
        return await self._good(await self.send("POST", path, json=body or {}, headers=headers))

    async def patch(self, path: str, body: Json) -> Json:
        """The answer to a PATCH that goes well."""
        return await self._good(await self.send("PATCH", path, json=body))

    async def refused(self, path: str, body: Json | None = None, *, status: int, reason: str) -> Json:
        """The problem that a POST is answered with, of this status and reason."""
        answer = await self.send("POST", path, json=body or {}, headers={"idempotency-key": str(uuid4())})
        problem: Json = answer.json()
        hold(
            (answer.status_code, problem.get("reason")) == (status, reason),
            f"POST {path} by {self.name}: expected {status} {reason}, got {answer.status_code} {answer.text}",
        )
        return problem

    async def send(self, verb: str, path: str, *, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        """Any answer; one that says "later" is asked for again when it says."""
        told = {"authorization": f"Bearer {self.token}", **(headers or {})}
        while True:
            answer = await self.http.request(verb, path, headers=told, **more)
            wait = int(answer.headers.get("retry-after", "0"))
            if answer.status_code != httpx.codes.TOO_MANY_REQUESTS or not 0 < wait <= LONGEST_WAIT_SECONDS:
                return answer
            await asyncio.sleep(wait)

    async def until(
        self,
        path: str,
        is_so: Callable[[Json], object],
        what: str,
        *,
        seconds: float = PATIENCE_SECONDS,
        **parameters: Any,
    ) -> tuple[Json, float]:
        """The answer to a GET once it is as wanted, and the seconds that took; `what` is told when it never is."""
        began = time.monotonic()
        while True:
            answer = await self.send("GET", path, params=parameters)
            if answer.is_success and is_so(found := answer.json()):
                return found, time.monotonic() - began
            if time.monotonic() - began > seconds:
                raise NotAsTold(f"{what}: not so after {seconds:g} s; GET {path} gives {answer.text[:2000]}")
            await asyncio.sleep(PAUSE_SECONDS)

    async def all(self, path: str, name: str, **parameters: Any) -> list[Json]:
        """All entries of a list, page by page."""
        entries: list[Json] = []
        token = ""
        while True:
            page = await self.get(path, page_size=200, page_token=token, **parameters)
            entries += page[name]
            token = page["next_page_token"] or ""
            if not token:
                return entries

    async def _good(self, answer: httpx.Response) -> Json:
        request = answer.request
        hold(
            answer.is_success,
            f"{request.method} {request.url.path} by {self.name}: {answer.status_code} {answer.text[:2000]}",
        )
        found: Json = answer.json()
        return found


async def sign_in(http: httpx.AsyncClient, name: str, login: str, password: str, tenant: str = "demo") -> Person:
    """Sign somebody in. The wait for a platform that limits sign-ins is part of it."""
    visitor = Person(name, "", http, "none")
    answer = await visitor.send("POST", "/v1/auth:token", json={"tenant": tenant, "login": login, "password": password})
    hold(answer.is_success, f"{login} cannot sign in: {answer.status_code} {answer.text}")
    person = Person(name, "", http, answer.json()["access_token"])
    person.id = (await person.get("/v1/users:me"))["user"]["id"]
    return person
