"""The Python of docs/grpc.md, run as it is printed against the real customer service."""

import asyncio
import os
import re
import sys
from pathlib import Path

import httpx
import pytest
from crm_local.settings import SERVICES, Ports
from crm_local.testing import Platform

pytestmark = pytest.mark.platform

PAGE = Path(__file__).parents[2] / "docs" / "grpc.md"
PORT = re.compile(r"\| (\w+) \| (\d{4}) \|")
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)


async def test_the_example_does_what_the_page_says(platform: Platform) -> None:
    (program,) = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    async with httpx.AsyncClient(base_url=platform.rest_url) as http:
        token = (await http.post("/v1/auth:token", json=platform.demo_login)).json()["access_token"]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program),
        env=os.environ | {"TOKEN": token, "CUSTOMER": platform.address("customer")},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        printed, failure = await process.communicate()
    assert process.returncode == 0, failure.decode()
    assert printed.decode().splitlines() == [
        "created once: True",
        "changed: steel",
        "refused: ABORTED ETAG_MISMATCH",
        "listed: ['Beizhan Steel']",
    ]


def test_the_page_names_the_port_of_every_service() -> None:
    told = {name: int(port) for name, port in PORT.findall(PAGE.read_text(encoding="utf-8"))}
    assert told == {name: Ports().of(name) for name in SERVICES}
