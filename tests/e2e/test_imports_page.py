"""The commands of docs/imports.md, run as they are printed."""

import csv
import io
from typing import Any

from crm_local.testing import Platform

from tests.e2e.printed import ROOT, URL_LINE, Check, blocks_of, documents, needs_curl, nothing, shell

pytestmark = needs_curl

PAGE = ROOT / "docs" / "imports.md"


def counts(output: str) -> tuple[str, list[int]]:
    (job,) = documents(output)
    names = ("created_count", "updated_count", "skipped_count", "failed_count")
    return job["state"], [job[name] for name in names]


def tried(output: str) -> bool:
    (job,) = documents(output)
    fields = [each["field"] for each in job["mapping"]]
    known = ["external_ids", "display_name", "phone_numbers", "region_code", "contact_name", "contact_phone"]
    return job["dry_run"] and fields == known and counts(output) == ("SUCCEEDED", [1, 0, 0, 1])


def imported(output: str) -> bool:
    return counts(output) == ("SUCCEEDED", [1, 0, 0, 1])


def told_what_is_wrong(output: str) -> bool:
    (answer,), report = documents(output), output[output.rindex("客户编号") :]
    (error,) = answer["errors"]
    rows: list[Any] = list(csv.reader(io.StringIO(report)))
    is_told = (error["row_number"], error["column"], error["reason"]) == (3, "电话", "PHONE_INVALID")
    return is_told and rows[1][:2] == ["K-1002", "北辰化工有限公司"] and "不是有效的电话号码" in rows[1][-1]


def changed_nothing(output: str) -> bool:
    return counts(output) == ("SUCCEEDED", [0, 0, 1, 1])


def changed(output: str) -> bool:
    return counts(output) == ("SUCCEEDED", [0, 1, 0, 0])


def previewed(output: str) -> bool:
    """It says nothing that the account does not have, but now its source says it."""
    (job,) = documents(output)
    return counts(output) == ("SUCCEEDED", [0, 1, 0, 1]) and not job.get("disagreeing_count")


# What each block must print. One more or less on the page fails.
CHECKS: tuple[Check, ...] = (nothing, nothing, tried, imported, told_what_is_wrong, changed_nothing, changed, previewed)


async def test_every_command_of_the_page_does_what_it_says(platform: Platform) -> None:
    printed = blocks_of(PAGE.read_text(encoding="utf-8"))
    assert len(printed) == len(CHECKS)
    assert URL_LINE in printed[0]
    printed[0] = printed[0].replace(URL_LINE, f"URL={platform.rest_url}")
    async with shell({"CRM_LOCAL_RUN_FOLDER": str(platform.folder)}) as run:
        for block, check in zip(printed, CHECKS, strict=True):
            output = await run(block)
            assert check(output), f"{block}\nprinted\n{output}"
