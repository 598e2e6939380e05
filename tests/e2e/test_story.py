"""The platform's main job, played on the whole platform. The story itself says what must hold at each step."""

import io

import httpx
import pytest
from crm_local.testing import Platform

from tests.conformity import Document
from tests.e2e.story.people import PATIENCE_SECONDS
from tests.e2e.story.play import play
from tests.e2e.story.teller import Teller

pytestmark = pytest.mark.platform

ROWS = 500
BAD_ROWS = 37


async def test_the_main_job_holds_from_the_spreadsheet_to_the_closed_complaint(platform: Platform) -> None:
    told = io.StringIO()
    teller = Teller(told)
    restarts = platform.sighting("scoring").restarts

    async def kill(name: str) -> None:
        platform.kill(name)

    try:
        scene = await play(
            platform.rest_url,
            platform.demo_login["password"],
            rows=ROWS,
            bad_rows=BAD_ROWS,
            teller=teller,
            kill=kill,
            rights_seconds=PATIENCE_SECONDS,
            hears=True,
        )
    finally:
        print(told.getvalue())
    assert platform.sighting("scoring").restarts == restarts + 1
    assert all((scene.account_id, scene.contact_id, scene.opportunity_id))


class Comparison:
    """Every JSON answer against its schema; what a GET gives, also as a body of the PATCH beside it."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.compared: set[tuple[str, str, int]] = set()
        self.wrong: set[str] = set()

    async def look(self, answer: httpx.Response) -> None:
        await answer.aread()
        if "json" not in answer.headers.get("content-type", ""):
            return
        verb, path, body = answer.request.method, answer.request.url.path, answer.json()
        operation = self._document.operation(verb, path) or {"operationId": path}
        self.compared.add((verb, operation["operationId"], answer.status_code))
        self.wrong |= set(self._document.wrong_with(verb, path, answer.status_code, body))
        if verb == "GET" and answer.is_success:
            self.wrong |= set(self._document.wrong_when_sent_back(path, body))


@pytest.fixture(scope="module")
async def again(platform: Platform) -> tuple[Teller, Comparison]:
    """The story played once more, with every answer compared."""
    async with httpx.AsyncClient(base_url=platform.rest_url, timeout=PATIENCE_SECONDS) as http:
        comparison = Comparison(Document((await http.get("/openapi.json")).json()))
    teller = Teller(io.StringIO())
    password = platform.demo_login["password"]
    await play(
        platform.rest_url,
        password,
        rows=60,
        bad_rows=7,
        teller=teller,
        look=comparison.look,
        rights_seconds=PATIENCE_SECONDS,
    )
    return teller, comparison


async def test_the_story_can_be_played_again_on_the_same_data(again: tuple[Teller, Comparison]) -> None:
    teller, _ = again
    assert teller.steps >= 25


async def test_every_answer_of_the_story_is_as_the_document_says(again: tuple[Teller, Comparison]) -> None:
    _, comparison = again
    assert comparison.wrong == set()
    assert len(comparison.compared) > 40
