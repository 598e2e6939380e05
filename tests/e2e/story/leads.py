"""Chapter 2: a lead goes cold, comes back to the pool, is claimed by one of two, and becomes a customer once.

Another one is sorted by a rule.
"""

import asyncio
from datetime import datetime, timedelta
from uuid import uuid4

from tests.e2e.story.automation import lead_sorted_by_a_rule
from tests.e2e.story.people import Json, Person, hold
from tests.e2e.story.scene import Scene, beijing


async def lead_to_customer(scene: Scene) -> None:
    scene.teller.chapter("A lead from a web form")
    await _created_once(scene)
    await _goes_cold(scene)
    await _claimed_by_one(scene)
    await _worked_on(scene)
    await _converted_once(scene)
    await lead_sorted_by_a_rule(scene)


async def _created_once(scene: Scene) -> None:
    tell, admin = scene.teller, scene.people.admin
    tell.step("The web form", "sends a lead twice with one key, as networks make it do")
    body = {
        "display_name": "周海燕",
        "company_name": f"{scene.run.brand}能源集团有限公司",
        "phone_number": "+8613912345678",
        "email": f"zhou.{scene.run.mark}@customer.example",
        "region_code": "CN-GD",
        "source": "web form",
        "campaign": "autumn",
    }
    key = str(uuid4())
    path = "/v1/leads?to_pool=true"
    first = await admin.post(path, body, key=key)
    again = await admin.post(path, body, key=key)
    hold(first["id"] == again["id"], "the repetition made a second lead")
    known = await admin.get("/v1/leads", filter=f'email = "{body["email"]}"')
    hold(len(known["leads"]) == 1, f"there are {len(known['leads'])} leads of this form")
    hold(first["in_pool"] and first["state"] == "NEW", f"it is {first['state']}, in pool: {first['in_pool']}")
    tell.found("one lead, in the public pool")

    manager, rep = scene.people.manager, scene.people.north
    tell.step(manager.name, f"assigns it to {rep.name}")
    scene.lead = await manager.post(f"/v1/leads/{first['id']}:assign", {"owner_id": rep.id})
    hold(scene.lead["owner_id"] == rep.id and not scene.lead["in_pool"], "it is not in their hands")
    tell.found(f"it is theirs, safe until {beijing(scene.lead['safe_until_time'])}")


async def _goes_cold(scene: Scene) -> None:
    tell, rep, colleague = scene.teller, scene.people.north, scene.people.south
    tell.step(rep.name, "does nothing with it; the test clock is moved beyond the pool's limit")
    protection = await rep.get(f"/v1/leads/{scene.lead['id']}/protection")
    hold(protection["safe_until_time"], "the demo tenant's pool takes nothing back: give it `reclaim_after`")
    limit = datetime.fromisoformat(protection["safe_until_time"])
    now = await scene.advance_to(limit)
    lead, seconds = await colleague.until(
        f"/v1/leads/{scene.lead['id']}", lambda lead: lead["in_pool"], "the lead is back in the pool"
    )
    hold(lead["former_owner_id"] == rep.id, f"the former owner is {lead['former_owner_id']}")
    tell.found(f"on {beijing(now)} it is in the pool again, {seconds:.1f} s after the clock moved")
    tell.detail(f"reason: {lead['return_reason']}")
    await rep.refused(f"/v1/leads/{lead['id']}:claim", status=409, reason="POOL_COOL_DOWN")
    tell.found(f"{rep.name} cannot take it straight back: POOL_COOL_DOWN")


async def _claimed_by_one(scene: Scene) -> None:
    tell = scene.teller
    rivals = (scene.people.south, scene.people.manager)
    tell.step(f"{rivals[0].name} and {rivals[1].name}", "claim it at the same moment")

    async def claim(person: Person) -> tuple[int, Json]:
        headers = {"idempotency-key": str(uuid4())}
        answer = await person.send("POST", f"/v1/leads/{scene.lead['id']}:claim", json={}, headers=headers)
        return answer.status_code, answer.json()

    answers = await asyncio.gather(*map(claim, rivals))
    statuses = sorted(status for status, _ in answers)
    hold(statuses == [200, 409], f"the claims were answered {answers}")
    loser = next(problem for status, problem in answers if status == 409)
    hold(loser["reason"] == "LEAD_ALREADY_CLAIMED", f"the other is told {loser}")
    winner = next(person for person, (status, _) in zip(rivals, answers, strict=True) if status == 200)
    scene.lead = await winner.get(f"/v1/leads/{scene.lead['id']}")
    hold(scene.lead["owner_id"] == winner.id, "the winner does not hold it")
    tell.found(f"{winner.name} has it, the other is told LEAD_ALREADY_CLAIMED")
    if winner is not scene.people.south:
        await _handed_down(scene, winner)
    scene.seller = scene.people.south


async def _handed_down(scene: Scene, manager: Person) -> None:
    rep = scene.people.south
    scene.teller.step(manager.name, f"was quicker, and gives it to {rep.name}")
    scene.lead = await manager.post(f"/v1/leads/{scene.lead['id']}:assign", {"owner_id": rep.id})
    hold(scene.lead["owner_id"] == rep.id, "it is not in their hands")
    scene.teller.found(f"it is in {rep.name}'s hands")


async def _worked_on(scene: Scene) -> None:
    tell, seller = scene.teller, scene.owner
    path = f"/v1/leads/{scene.lead['id']}"
    before = scene.lead["safe_until_time"]
    tell.step(seller.name, "calls them")
    await scene.advance(timedelta(hours=2))
    lead = await seller.post(
        f"{path}:recordFollowUp", {"follow_up": {"kind": "CALL", "note": "Want two transformers this year."}}
    )
    hold(lead["state"] == "CONTACTED", f"it is {lead['state']}")
    hold(lead["safe_until_time"] > before, f"protection did not grow from {before}")
    tell.found(f"contacted; safe until {beijing(lead['safe_until_time'])}")
    tell.step(seller.name, "qualifies it")
    lead = await seller.post(f"{path}:qualify")
    hold(lead["state"] == "QUALIFIED", f"it is {lead['state']}")
    tell.found("qualified")


async def _converted_once(scene: Scene) -> None:
    tell, seller = scene.teller, scene.owner
    tell.step(seller.name, "converts it, and presses the button twice")
    path = f"/v1/leads/{scene.lead['id']}:convert"
    body = {
        "opportunity_name": f"{scene.run.brand} transformers",
        "amount": {"amount": "180000", "currency_code": "CNY"},
    }
    first, again = await seller.post(path, body), await seller.post(path, body)
    made = ("account_id", "contact_id", "opportunity_id")
    hold(all(first[name] for name in made), f"not all is there: {first}")
    hold(all(first[name] == again[name] for name in made), "the second press made something new")
    scene.lead = again
    scene.account_id, scene.contact_id, scene.opportunity_id = (again[name] for name in made)
    account = await seller.get(f"/v1/accounts/{scene.account_id}")
    contacts = (await seller.get("/v1/contacts", account_id=scene.account_id))["contacts"]
    deals = (await seller.get("/v1/opportunities", filter=f'account_id = "{scene.account_id}"'))["opportunities"]
    hold(account["display_name"] == scene.lead["company_name"], f"the account is {account['display_name']}")
    hold([each["id"] for each in contacts] == [scene.contact_id], f"its contacts are {contacts}")
    hold([each["id"] for each in deals] == [scene.opportunity_id], f"its deals are {deals}")
    found = (await seller.get("/v1/accounts:search", query=scene.run.brand_pinyin))["accounts"]
    same = [each for each in found if each["display_name"] == account["display_name"]]
    hold(len(same) == 1, f"there are {len(same)} accounts of that name")
    tell.found(f"one account {account['display_name']}, one contact {contacts[0]['display_name']}, one opportunity")
