"""A call from its first ringing to the customer's timeline, over the whole platform."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import orjson
from crm_local.testing import Platform

from tests.service.eventually import eventually

SECONDS = 60


async def test_whose_telephone_rings_is_told_who_it_is_and_the_call_is_one_interaction(platform: Platform) -> None:
    async with httpx.AsyncClient(base_url=platform.rest_url, timeout=SECONDS) as web:
        token = (await web.post("/v1/auth:token", json=platform.demo_login)).json()["access_token"]
        web.headers["authorization"] = f"Bearer {token}"
        me = (await web.get("/v1/users:me")).json()["user"]
        number = f"+86139{secrets.randbelow(10**8):08d}"
        customer = {"kind": "ORGANIZATION", "display_name": "来电客户", "phone_numbers": [number]}
        account = await made(web, "/v1/accounts", customer)
        extensions = [{"extension": "801", "user_id": me["id"]}]
        channel = await made(
            web, "/v1/channels", {"display_name": "热线", "kind": "TELEPHONE", "extensions": extensions}
        )
        began = datetime.now(UTC) - timedelta(minutes=5)

        async def tell(type: str, source_id: str, second: float, **fields: Any) -> Any:
            time = (began + timedelta(seconds=second)).isoformat()
            event = {"type": type, "source_id": source_id, "happen_time": time, "direction": "INBOUND"}
            body = {"channel_id": channel["id"], "event": event | {"from_number": number, "extension": "801"} | fields}
            return await made(web, "/v1/calls:receive", body)

        async def is_known() -> bool:
            # Each a call of its own, until the service desk has heard of the account.
            return bool((await tell("RINGING", secrets.token_hex(8), 0))["match"] == "KNOWN")

        await eventually(is_known, seconds=SECONDS)
        async with web.stream("GET", "/v1/events", params={"types": "call.rang"}) as stream:
            lines = stream.aiter_lines()
            await line_of(lines, "event: ready")
            call = await tell("RINGING", "1", 10)
            while True:
                told = orjson.loads((await line_of(lines, 'data: {"id"'))[6:])
                if told["record_id"] == call["id"]:
                    break
        assert (call["account_id"], call["user_id"]) == (account["id"], me["id"])
        screen = (await web.get(f"/v1/calls/{call['id']}/screen")).json()
        assert (screen["account_name"], screen["open_case_count"]) == ("来电客户", 0)
        await tell("ANSWERED", "1", 15)
        for _ in range(2):
            await tell("ENDED", "1", 75, cause="COMPLETED")

        async def interactions() -> list[Any]:
            answer = await web.get("/v1/interactions", params={"account_id": account["id"]})
            return list(answer.json()["interactions"])

        async def is_recorded() -> bool:
            return bool(await interactions())

        await eventually(is_recorded, seconds=SECONDS)
        (interaction,) = await interactions()
        assert (interaction["call_id"], interaction["call_outcome"]) == (call["id"], "ANSWERED")
        assert (interaction["channel"], interaction["subject"]) == ("CALL", "热线")


async def made(web: httpx.AsyncClient, path: str, body: dict[str, Any]) -> Any:
    answer = await web.post(path, json=body)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


async def line_of(lines: Any, begin: str) -> str:
    """The next line that begins so."""
    async for line in lines:
        if line.startswith(begin):
            return str(line)
    raise AssertionError(f"the stream has ended before {begin}")
