"""The README's five minutes with curl: its commands, run as they are printed."""

from functools import partial
from typing import Any

from crm_local.testing import Platform

from tests.e2e.printed import ROOT, URL_LINE, Check, Run, blocks_of, documents, needs_curl, nothing, shell
from tests.service.eventually import eventually

pytestmark = needs_curl

README = ROOT / "README.md"
SECTION = "## Five minutes with curl"
NAME = "华信电力有限公司"


def blocks() -> list[str]:
    """The blocks of the tour, in order."""
    return blocks_of(README.read_text(encoding="utf-8").partition(SECTION)[2].partition("\n## ")[0])


def names(page: Any) -> list[str]:
    return [account["display_name"] for account in page["accounts"]]


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
