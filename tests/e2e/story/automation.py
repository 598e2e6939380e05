"""A lead that is sorted by itself: a rule is written, tried, switched on, and says what it did."""

from tests.e2e.story.people import hold, known_everywhere
from tests.e2e.story.scene import Scene

RULES, RUNS = "/v1/automation-rules/leads", "/v1/automation-runs/leads"


async def lead_sorted_by_a_rule(scene: Scene) -> None:
    tell, admin, rep = scene.teller, scene.people.admin, scene.people.north
    tell.step(admin.name, f"has leads of the trade fair given to {rep.name} by a rule")
    source = f"trade fair {scene.run.mark}"
    body = {
        "display_name": "Leads of the trade fair",
        "trigger": {"events": ["CREATED"]},
        "filter": f'source = "{source}"',
        "actions": [
            {"verb": "assign", "request": {"owner_id": rep.id}},
            {"verb": "update", "request": {"campaign": "{{record.source}}: {{record.company_name}}"}},
        ],
    }
    rule = await admin.post(RULES, body)
    trial = await admin.post(f"{RULES}/{rule['id']}:try")
    hold(trial["event_count"] and not trial["matches"], f"tried, it would have taken {trial['matches']}")
    tell.detail(f"tried on {trial['event_count']} events of {trial['record_count']} leads: it takes none of them")
    await admin.post(f"{RULES}/{rule['id']}:activate", {"etag": rule["etag"]})
    await known_everywhere()
    company = f"{scene.run.brand}装备有限公司"
    lead = await admin.post("/v1/leads", {"display_name": "陈静", "company_name": company, "source": source})
    path = f"/v1/leads/{lead['id']}"
    sorted_lead, seconds = await admin.until(path, lambda each: each["campaign"], "the rule has seen to the lead")
    hold(sorted_lead["owner_id"] == rep.id, f"the lead is {sorted_lead['owner_name']}'s")
    hold(sorted_lead["campaign"] == f"{source}: {company}", f"the campaign is {sorted_lead['campaign']}")
    runs = (await admin.get(RUNS, filter=f'rule_id = "{rule["id"]}"'))["automation_runs"]
    hold([each["state"] for each in runs] == ["SUCCEEDED"], f"the runs are {runs}")
    # Others work in this tenant, too.
    await admin.post(f"{RULES}/{rule['id']}:archive")
    tell.found(f"it is theirs {seconds:.1f} s later, with what the rule did: {', '.join(_effects(runs[0]))}")


def _effects(run: dict[str, list[dict[str, str]]]) -> list[str]:
    return [f"{each['verb']} ({', '.join(each['changed_fields'])})" for each in run["effects"]]
