"""Chapter 3: the opportunity is won, orders meet the credit limit, money comes in."""

import asyncio
from decimal import Decimal

from tests.e2e.story.people import Json, Person, hold, known_everywhere
from tests.e2e.story.scene import Scene

LIMIT = Decimal(100000)
# Beyond half of it a limit is approved first.
LARGE_LIMIT = Decimal(1000000)
OTHER_BUYERS = 24


def money(amount: object) -> Json:
    return {"amount": str(amount), "currency_code": "CNY"}


async def deal_to_money(scene: Scene) -> None:
    scene.teller.chapter("From the deal to the money")
    await _won(scene)
    await _limit_set(scene)
    small = await _within_the_limit(scene)
    await _over_the_limit(scene)
    await _paid(scene, small)
    await _on_the_timeline(scene)
    await _limit_approved(scene)
    await _others_buy_too(scene)


async def _won(scene: Scene) -> None:
    tell, seller = scene.teller, scene.owner
    path = f"/v1/opportunities/{scene.opportunity_id}"
    deal = await seller.get(path)
    pipeline = await seller.get(f"/v1/pipelines/{deal['pipeline_id']}")
    names = [stage["display_name"] for stage in pipeline["stages"]]
    tell.step(seller.name, f"takes the opportunity through {' → '.join(names)}")
    deal = await seller.patch(path, _criteria(pipeline))
    at = next(index for index, stage in enumerate(pipeline["stages"]) if stage["id"] == deal["stage_id"])
    for stage in pipeline["stages"][at + 1 :]:
        deal = await seller.post(f"{path}:move", {"stage_id": stage["id"]})
        hold(deal["stage_id"] == stage["id"], f"it did not come to {stage['display_name']}")
        tell.detail(f"{stage['display_name']}: {deal['probability_percent']} %")
    deal = await seller.post(f"{path}:win", {"reason": "The only ones who deliver before the winter."})
    hold(deal["state"] == "WON" and deal["probability_percent"] == 100, f"it is {deal['state']}")
    await seller.refused(f"{path}:win", {"reason": "again"}, status=409, reason="ILLEGAL_STATE")
    moves = (await seller.get(f"{path}/stage_changes"))["stage_changes"]
    hold(len(moves) >= len(pipeline["stages"]) - at, f"only {len(moves)} moves are on record")
    tell.found(f"won; {len(moves)} moves on record, each with what the deal was worth then")


def _criteria(pipeline: Json) -> Json:
    """What the exit criteria of all stages ask for."""
    asked = {name for stage in pipeline["stages"] for name in stage["required_fields"]}
    own = asked - {"amount", "expected_close_date", "next_step"}
    checklist = {item for stage in pipeline["stages"] for item in stage["checklist"]}
    return {
        "amount": money("185000"),
        "expected_close_date": "2030-12-31",
        "next_step": "Send the contract.",
        "fields": dict.fromkeys(sorted(own), "told"),
        "checked": sorted(checklist),
    }


async def _limit_set(scene: Scene) -> None:
    tell, manager = scene.teller, scene.people.manager
    tell.step(manager.name, f"lets the new customer owe {LIMIT:,} CNY")
    path = f"/v1/accounts/{scene.account_id}/credit"
    await manager.until(path, lambda _: True, "scoring knows the account")
    credit = await manager.post(f"{path}:setLimit", {"amount": money(LIMIT), "reason": "New, well recommended."})
    hold(Decimal(credit["amount"]["amount"]) == LIMIT, f"the limit is {credit['amount']}")
    tell.found(f"the limit is set, {Decimal(credit['used']['amount']):,} CNY of it are used")


async def _order(person: Person, account_id: str, price: str, opportunity_id: str = "") -> Json:
    line = {"product": "Transformer 630 kVA", "quantity": "1", "unit_price": money(price), "tax_percent": "13"}
    body = {"account_id": account_id, "currency_code": "CNY", "lines": [line]}
    drafted = await person.post("/v1/orders", body | ({"opportunity_id": opportunity_id} if opportunity_id else {}))
    return await person.post(f"/v1/orders/{drafted['id']}:place")


async def _within_the_limit(scene: Scene) -> Json:
    tell, seller = scene.teller, scene.owner
    tell.step(seller.name, "places an order for 60,000 CNY and tax")
    order = await _order(seller, scene.account_id, "60000", scene.opportunity_id)
    hold(order["state"] == "RELEASED", f"it is {order['state']}: {order['hold_reasons']}")
    hold(Decimal(order["gross_amount"]["amount"]) == 67800, f"it comes to {order['gross_amount']}")
    credit, seconds = await scene.people.manager.until(
        f"/v1/accounts/{scene.account_id}/credit",
        lambda credit: credit["used"] and Decimal(credit["used"]["amount"]) == 67800,
        "the order is used credit",
    )
    tell.found(f"released at once; 67,800 of 100,000 CNY are used, seen after {seconds:.1f} s")
    hold(Decimal(credit["amount"]["amount"]) == LIMIT, "the limit has changed")
    return order


async def _over_the_limit(scene: Scene) -> None:
    tell, seller, manager = scene.teller, scene.owner, scene.people.manager
    tell.step(seller.name, "places another for 50,000 CNY and tax")
    order = await _order(seller, scene.account_id, "50000")
    codes = [reason["code"] for reason in order["hold_reasons"]]
    hold(order["state"] == "ON_HOLD", f"it is {order['state']}")
    hold(codes == ["CREDIT_LIMIT_EXCEEDED"], f"the reasons are {order['hold_reasons']}")
    tell.found("on hold: CREDIT_LIMIT_EXCEEDED")
    tell.detail(order["hold_reasons"][0]["explanation"])
    path = f"/v1/orders/{order['id']}:release"
    body = {"reason": "Guaranteed by the parent company."}
    await seller.refused(path, body, status=403, reason="PERMISSION_DENIED")
    tell.found(f"{seller.name} may not release it")
    tell.step(manager.name, "releases it, with a reason")
    order = await manager.post(path, body)
    hold(order["state"] == "RELEASED", f"it is {order['state']}")
    hold(order["release"]["actor_id"] == manager.id, f"released by {order['release']}")
    tell.found("released; who did it and why stays on record")


async def _paid(scene: Scene, order: Json) -> None:
    tell, manager = scene.teller, scene.people.manager
    tell.step("The bank", "reports 67,800 CNY, twice with one key")
    body = {"account_id": scene.account_id, "amount": money("67800"), "reference": f"wire {scene.run.mark}"}
    key = f"bank-{scene.run.mark}"
    payment, again = (
        await manager.post("/v1/payments", body, key=key),
        await manager.post("/v1/payments", body, key=key),
    )
    hold(payment["id"] == again["id"], "the money came in twice")
    paid = {each["order_id"]: each["amount"]["amount"] for each in payment["allocations"]}
    hold(list(paid) == [order["id"]], f"it paid {payment['allocations']}")
    order = await manager.get(f"/v1/orders/{order['id']}")
    hold(order["state"] == "PAID" and Decimal(order["open_amount"]["amount"]) == 0, f"it is {order['state']}")
    tell.found("one payment; it went to the oldest open order, which is paid")


async def _on_the_timeline(scene: Scene) -> None:
    tell, seller = scene.teller, scene.owner
    tell.step(seller.name, "looks at the customer's timeline")
    wanted = {"ACCOUNT_CREATED", "LEAD_CONVERTED", "OPPORTUNITY_WON", "ORDER_PLACED", "PAYMENT_RECEIVED"}
    page, seconds = await seller.until(
        f"/v1/accounts/{scene.account_id}/timeline",
        lambda page: wanted <= {entry["kind"] for entry in page["entries"]},
        f"the timeline shows {sorted(wanted)}",
    )
    kinds = [entry["kind"] for entry in page["entries"]]
    hold(len({entry["id"] for entry in page["entries"]}) == len(kinds), "an entry is there twice")
    tell.found(f"{len(kinds)} entries from two services, complete after {seconds:.1f} s")
    tell.detail(", ".join(reversed(kinds)))


async def _limit_approved(scene: Scene) -> None:
    tell, admin = scene.teller, scene.people.admin
    tell.step(admin.name, f"has limits beyond {LARGE_LIMIT / 2:,} CNY approved")
    policies = "/v1/approval-policies/credit-limits"
    rows = [
        {"up_to": money(LARGE_LIMIT / 2), "outcome": "ALLOW"},
        {"outcome": "ASK", "steps": [{"mode": "ANY", "user_ids": [admin.id]}]},
    ]
    policy = await admin.post(policies, {"verb": "setLimit", "display_name": "Large limits", "rows": rows})
    await known_everywhere()
    try:
        await _asked_and_approved(scene)
    finally:
        # Others work in this tenant, too.
        await admin.post(f"{policies}/{policy['id']}:archive")


async def _asked_and_approved(scene: Scene) -> None:
    tell, manager, admin = scene.teller, scene.people.manager, scene.people.admin
    tell.step(manager.name, f"lets the customer owe {LARGE_LIMIT:,} CNY, and is told to ask first")
    path, approvals = f"/v1/accounts/{scene.account_id}/credit", "/v1/approvals/credit-limits"
    wanted = {"amount": money(LARGE_LIMIT), "reason": "Pays within the week."}
    await manager.refused(f"{path}:setLimit", wanted, status=409, reason="APPROVAL_REQUIRED")
    request = wanted | {"account_id": scene.account_id}
    asked = await manager.post(f"{approvals}:setLimit", {"request": request, "comment": "A key customer."})
    await manager.refused(f"{approvals}/{asked['id']}:approve", status=403, reason="PERMISSION_DENIED")
    tell.found("asked for; who asked cannot approve it")
    waiting = (await admin.get("/v1/approvals"))["approvals"]
    hold(asked["id"] in {each["id"] for each in waiting}, f"what waits is {waiting}")
    decided = await admin.post(f"{approvals}/{asked['id']}:approve", {"comment": "For a year."})
    hold(decided["state"] == "APPROVED", f"it is {decided['state']}")
    credit = await manager.get(path)
    hold(Decimal(credit["amount"]["amount"]) == LARGE_LIMIT, f"the limit is {credit['amount']}")
    tell.found(f"{admin.name} approved it, and with that the limit is set")


async def _others_buy_too(scene: Scene) -> None:
    """Scores are relative: without other buyers there is nothing to say."""
    tell, admin = scene.teller, scene.people.admin
    buyers = scene.customers[:OTHER_BUYERS]
    hold(len(buyers) == OTHER_BUYERS, f"only {len(buyers)} imported customers were found")
    tell.step(admin.name, f"enters orders of {len(buyers)} imported customers")
    few = asyncio.Semaphore(4)

    async def buy(position: int, account: Json) -> Json:
        async with few:
            return await _order(admin, account["id"], str(500 + 100 * position))

    orders = await asyncio.gather(*(buy(position, account) for position, account in enumerate(buyers)))
    states = {order["state"] for order in orders}
    hold(states == {"RELEASED"}, f"they are {states}")
    tell.found("all released: nobody has set them a limit")
