"""The commands of docs/approvals.md, run as they are printed."""

from crm_local.testing import Platform

from tests.e2e.printed import ROOT, URL_LINE, Check, blocks_of, documents, needs_curl, nothing, shell

pytestmark = needs_curl

PAGE = ROOT / "docs" / "approvals.md"


def needs_approval(output: str) -> bool:
    (problem,) = documents(output)
    path = problem["metadata"]["submit_path"]
    return (problem["reason"], path) == ("APPROVAL_REQUIRED", "/v1/approvals/credit-limits:setLimit")


def waits_and_is_approved(output: str) -> bool:
    waiting, approval, limit = documents(output)
    (listed,) = [each for each in waiting["approvals"] if each["id"] == approval["id"]]
    is_asked = (listed["state"], listed["comment"]) == ("PENDING", "they open three more sites")
    return is_asked and approval["state"] == "APPROVED" and limit["amount"]["amount"] == "80000.00"


def is_archived(output: str) -> bool:
    (policy,) = documents(output)
    return bool(policy["state"] == "ARCHIVED")


# What each block must print. One more or less on the page fails.
CHECKS: tuple[Check, ...] = (nothing, nothing, needs_approval, nothing, waits_and_is_approved, is_archived)


async def test_every_command_of_the_page_does_what_it_says(platform: Platform) -> None:
    printed = blocks_of(PAGE.read_text(encoding="utf-8"))
    assert len(printed) == len(CHECKS)
    assert URL_LINE in printed[0]
    printed[0] = printed[0].replace(URL_LINE, f"URL={platform.rest_url}")
    async with shell({"CRM_LOCAL_RUN_FOLDER": str(platform.folder)}) as run:
        for block, check in zip(printed, CHECKS, strict=True):
            output = await run(block)
            assert check(output), f"{block}\nprinted\n{output}"
