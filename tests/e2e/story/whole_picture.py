"""Chapter 5: what all of it did to the customer's scores, the whole picture in one call, and rights that end."""

import asyncio
import time

import httpx

from tests.e2e.story.people import PATIENCE_SECONDS, Json, NotAsTold, Person, hold
from tests.e2e.story.scene import Kill, Scene

PARTS = ("account", "contacts", "timeline", "open_opportunities", "recent_orders", "open_cases", "scores", "credit")


async def whole_picture(scene: Scene) -> None:
    scene.teller.chapter("The whole picture")
    await _scores(scene)
    await _one_call(scene)
    await _right_taken_away(scene)
    if scene.kill is not None:
        await _with_scoring_down(scene, scene.kill)


async def _scores(scene: Scene) -> None:
    tell, manager = scene.teller, scene.people.manager
    tell.step(manager.name, "looks at the customer's scores")
    scores, seconds = await manager.until(f"/v1/accounts/{scene.account_id}/scores", _are_known, "the scores are known")
    rfm, tier = scores["rfm"], scores["value_tier"]
    tell.found(f"RFM {rfm['value']} of 15, {rfm['band']}, after {seconds:.1f} s")
    for reason in rfm["reasons"]:
        tell.detail(f"{reason['contribution']}: {reason['code'].lower()}")
    name = tier["band"]
    tell.found(f"value tier {name}: {tier['value']['amount']} {tier['value']['currency_code']}")
    _, seconds = await manager.until(
        f"/v1/accounts/{scene.account_id}",
        lambda account: account["value_tier"] == name,
        f"the account shows the tier {name}",
    )
    tell.found(f"the account itself shows {name}")


def _are_known(scores: Json) -> bool:
    rfm, tier = scores["rfm"], scores["value_tier"]
    known = rfm is not None and rfm["band"] not in ("UNKNOWN", None)
    return known and tier is not None and tier["band"] not in ("UNKNOWN", None)


async def _page(person: Person, account_id: str) -> tuple[Json, float]:
    began = time.monotonic()
    page = await person.get(f"/v1/accounts/{account_id}/360")
    return page, time.monotonic() - began


async def _one_call(scene: Scene) -> None:
    tell, manager = scene.teller, scene.people.manager
    tell.step(manager.name, "opens the customer's page: one call, four services")
    page, seconds = await _page(manager, scene.account_id)
    hold(page["missing"] == [], f"missing: {page['missing']}")
    hold(all(page[part] is not None for part in PARTS), "a part is null")
    hold(page["account"]["id"] == scene.account_id, "another account came")
    hold(len(page["recent_orders"]) == 2, f"{len(page['recent_orders'])} orders")
    hold(page["open_opportunities"] == [] and page["open_cases"] == [], "what is won or closed is shown as open")
    hold(page["timeline"], "the timeline is empty")
    figures = ", ".join(f"{part} {len(page[part])}" for part in PARTS if isinstance(page[part], list))
    tell.found(f"all there in {1000 * seconds:.0f} ms: {figures}, with scores and credit")


async def _right_taken_away(scene: Scene) -> None:
    tell, admin, rep = scene.teller, scene.people.admin, scene.people.north
    roles = await admin.all("/v1/roles", "roles")
    role = next(role["id"] for role in roles if role["display_name"] == "SALES_REP")
    tell.step(admin.name, f"takes the sales role from {rep.name}, who stays signed in")
    doors = ("/v1/accounts", "/v1/leads", "/v1/scores", "/v1/cases")
    await asyncio.gather(*(rep.get(door) for door in doors))
    try:
        await admin.patch(f"/v1/users/{rep.id}", {"role_ids": []})
        began = time.monotonic()
        seconds = max(await asyncio.gather(*(_until_shut(rep, door, began) for door in doors)))
        hold(seconds < scene.rights_seconds, f"it took {seconds:.1f} s until {rep.name} was out everywhere")
        tell.found(f"403 at all four services after {seconds:.2f} s, with the token they had")
    finally:
        await admin.patch(f"/v1/users/{rep.id}", {"role_ids": [role]})
    tell.step(admin.name, "gives it back")
    for door in doors:
        await rep.until(door, lambda _: True, f"{rep.name} is in again at {door}")
    tell.found(f"{rep.name} works again")


async def _until_shut(person: Person, door: str, began: float) -> float:
    while (await person.send("GET", door)).status_code != httpx.codes.FORBIDDEN:
        if time.monotonic() - began > PATIENCE_SECONDS:
            raise NotAsTold(f"{person.name} still gets in at {door}")
        await asyncio.sleep(0.05)
    return time.monotonic() - began


async def _with_scoring_down(scene: Scene, kill: Kill) -> None:
    tell, manager = scene.teller, scene.people.manager
    tell.step("Somebody", "kills the scoring service (kill -9) and opens the page again")
    await kill("scoring")
    page, seconds = await _page(manager, scene.account_id)
    missing = {(each["part"], each["service"]) for each in page["missing"]}
    hold(missing == {("scores", "scoring"), ("credit", "scoring")}, f"missing: {page['missing']}")
    hold(page["scores"] is None and page["credit"] is None, "what is missing is there")
    hold(all(page[part] is not None for part in PARTS if part not in ("scores", "credit")), "more is missing")
    tell.found(f"it answers in {1000 * seconds:.0f} ms without scores and credit, and says so")
    page, seconds = await manager.until(
        f"/v1/accounts/{scene.account_id}/360", lambda page: page["missing"] == [], "scoring is back"
    )
    hold(_are_known(page["scores"]), "the scores were lost")
    tell.found(f"scoring came back by itself after {seconds:.1f} s, with all it knew")
