"""The platform's main job, played on the whole platform. The story itself says what must hold at each step."""

import io

import pytest
from crm_local.testing import Platform

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
        )
    finally:
        print(told.getvalue())
    assert platform.sighting("scoring").restarts == restarts + 1
    assert all((scene.account_id, scene.contact_id, scene.opportunity_id))


async def test_the_story_can_be_played_again_on_the_same_data(platform: Platform) -> None:
    teller = Teller(io.StringIO())
    await play(
        platform.rest_url,
        platform.demo_login["password"],
        rows=60,
        bad_rows=7,
        teller=teller,
        rights_seconds=PATIENCE_SECONDS,
    )
    assert teller.steps >= 25
