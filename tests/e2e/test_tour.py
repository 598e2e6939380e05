"""The README's five minutes with curl: its commands, run as they are printed."""

import asyncio
import json
import os
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from crm_local.testing import Platform

from tests.service.eventually import eventually

pytestmark = [
    pytest.mark.platform,
    pytest.mark.skipif(shutil.which("curl") is None, reason="the tour is made with curl, which is not installed"),
]

README = Path(__file__).parents[2] / "README.md"
SECTION = "## Five minutes with curl"
BLOCK = re.compile(r"```bash\n(.*?)```", re.DOTALL)
URL_LINE = "URL=http://127.0.0.1:8080"
END = "----- end of block"
NAME = "华信电力有限公司"

Check = Callable[[str], bool]
Run = Callable[[str], Awaitable[str]]


def blocks() -> list[str]:
    """The blocks of the tour, in order."""
    section = README.read_text(encoding="utf-8").partition(SECTION)[2].partition("\n## ")[0]
    return BLOCK.findall(section)


def documents(output: str) -> list[Any]:
    """All JSON documents in what curl wrote, status lines and headers between them left out."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while (at := output.find("{", at)) >= 0:
        document, at = decoder.raw_decode(output, at)
        found.append(document)
    return found


def names(page: Any) -> list[str]:
    return [account["display_name"] for account in page["accounts"]]


def nothing(output: str) -> bool:
    return output == ""


def created(output: str) -> bool:
    (account,) = documents(output)
    return output.startswith("HTTP/1.1 201") and account["display_name"] == NAME


def found_both_ways(output: str) -> bool:
    pages = documents(output)
    return len(pages) == 2 and all(names(page) == [NAME] for page in pages)


def paged(output: str) -> bool:
    (page,) = documents(output)
    return names(page) == [NAME] and "next_page_token" in page


def updated_once(output: str) -> bool:
    changed, refused = documents(output)
    return (changed["industry"], changed["short_name"], refused["status"]) == ("power", "Huaxin", 412)


def seen(output: str) -> bool:
    timeline, changes = documents(output)
    actions = [change["action"] for change in changes["changes"]]
    return [entry["kind"] for entry in timeline["entries"]] == ["ACCOUNT_CREATED"] and len(actions) == 2


def told_what_is_wrong(output: str) -> bool:
    (problem,) = documents(output)
    return problem["status"] == 422 and [error["field"] for error in problem["errors"]] == ["emails[1]"]


# What each block must print. One more or less in the README fails.
CHECKS: tuple[Check, ...] = (nothing, created, found_both_ways, paged, updated_once, seen, told_what_is_wrong)


@asynccontextmanager
async def shell(environment: dict[str, str]) -> AsyncIterator[Run]:
    """Runs commands one after another in one bash, as a person at a terminal does; gives what each printed."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *("bash", "--norc"),
        cwd=README.parent,
        env=os.environ | environment,
        stdin=pipe,
        stdout=pipe,
        stderr=asyncio.subprocess.STDOUT,
        limit=1 << 22,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    write, read = process.stdin, process.stdout

    async def run(commands: str) -> str:
        write.write(f"{commands}\necho; echo '{END}'\n".encode())
        async with asyncio.timeout(60):
            printed = await read.readuntil(f"{END}\n".encode())
        return printed.decode().removesuffix(f"\n{END}\n")

    try:
        yield run
    finally:
        write.close()
        await process.wait()


async def test_every_command_of_the_tour_does_what_the_readme_says(platform: Platform) -> None:
    printed = blocks()
    assert len(printed) == len(CHECKS)
    assert URL_LINE in printed[0]
    printed[0] = printed[0].replace(URL_LINE, f"URL={platform.rest_url}")
    async with shell({"CRM_LOCAL_RUN_FOLDER": str(platform.folder)}) as run:
        for block, check in zip(printed, CHECKS, strict=True):
            output = await run(block)
            if check is seen:
                # The event is on the timeline within moments; a person who types takes longer than that.
                output = await eventually(partial(_once, run, block, check))
            assert check(output), f"{block}\nprinted\n{output}"


async def _once(run: Run, block: str, check: Check) -> str:
    output = await run(block)
    return output if check(output) else ""
