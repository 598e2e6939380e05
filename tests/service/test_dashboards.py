"""Dashboards: put together, shared, and read with the answers of all their reports, whichever services are there."""

import io
import threading
from typing import Any

import openpyxl
import orjson
import pytest
from crm_gateway.__main__ import openapi_text
from crm_gateway.routes import dashboards
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.reports import pdf
from crm_kit.reports.pdf import pdf_of

from tests.conformity import Document
from tests.factories.places import RPCS, SERVICES
from tests.service.examples import World
from tests.service.reporting import Question, Report, Reports
from tests.service.running import User
from tests.service.test_waiting_approvals import as_user, gateway_to

URL = "/v1/dashboards"


@pytest.fixture(scope="session")
def world(request: pytest.FixtureRequest) -> World:
    """All services that the contract names."""
    return World({name: request.getfixturevalue(name) for name in SERVICES})


def reports_of(world: World, collection: str) -> Reports:
    owner = next(rpc.owner for rpc in RPCS.values() if rpc.bindings and rpc.bindings[0].template == f"/v1/{collection}")
    return Reports(world.services[owner].channel, collection)


async def tile(world: World, user: User, collection: str, **fields: Any) -> dict[str, Any]:
    report = await reports_of(world, collection).create(user, **fields)
    return {"collection": collection, "report_id": report.id}


async def test_a_dashboard_has_the_answers_of_reports_of_several_services(world: World) -> None:
    user = await world.user(await world.tenant())
    everybodys = {"visibility": Report.VISIBILITY_TENANT}
    tiles = [
        await tile(world, user, "accounts", question=Question(group_by=["kind"]), **everybodys),
        await tile(world, user, "leads", **everybodys),
        await tile(world, user, "leads"),
        {"collection": "cases", "report_id": str(new_id()), "column": 6, "row": 4, "title": "Gone"},
    ]
    tiles.append(tiles[1])
    async with gateway_to(world) as web:
        account = {"kind": "ORGANIZATION", "display_name": "华信电力有限公司"}
        assert (await web.post("/v1/accounts", json=account, headers=as_user(user))).status_code == 201
        sent = {"display_name": "总览", "tiles": tiles, "visibility": "TENANT"}
        made = await web.post(URL, json=sent, headers=as_user(user))
        assert made.status_code == 201, made.text
        path = f"{URL}/{made.json()['id']}:run"
        found = (await web.get(path, headers=as_user(user))).json()
        assert list(Document(orjson.loads(openapi_text())).wrong_with("GET", path, 200, found)) == []
        assert found["dashboard"]["display_name"] == "总览"
        assert [each and each["answer"]["total"]["record_count"] for each in found["answers"]] == [1, 0, 0, None, 0]
        (row,) = found["answers"][0]["answer"]["rows"]
        assert (row["keys"][0]["value"], row["keys"][0]["zh"]) == ("ORGANIZATION", "企业")
        opened = await web.get("/v1/accounts", params={"filter": row["filter"]}, headers=as_user(user))
        assert len(opened.json()["accounts"]) == 1
        assert found["missing"] == [{"tile": 3, "service": "service_desk", "reason": "REPORT_NOT_FOUND"}]
        # Whoever else looks sees what is shared with them, of what they may read.
        grants = {"dashboards.read": Scope.OWN, "accounts.read": Scope.OWN, "cases.read": Scope.OWN}
        other = await world.user(user.tenant_id, grants=grants)
        found = (await web.get(path, headers=as_user(other))).json()
        assert found["answers"][0]["answer"]["total"]["record_count"] == 0
        assert [(each["tile"], each["reason"]) for each in found["missing"]] == [
            (1, "PERMISSION_DENIED"),
            (2, "PERMISSION_DENIED"),
            (3, "REPORT_NOT_FOUND"),
            (4, "PERMISSION_DENIED"),
        ]
    async with gateway_to(world, down=("sales",)) as web:
        found = (await web.get(path, headers=as_user(user))).json()
        missing = {each["tile"]: each["reason"] for each in found["missing"]}
        assert missing == {1: "UNAVAILABLE", 2: "UNAVAILABLE", 3: "REPORT_NOT_FOUND", 4: "UNAVAILABLE"}
        assert found["answers"][0]["answer"]["total"]["record_count"] == 1


async def test_what_there_is_no_room_for_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    user = await world.user(await world.tenant())
    tiles = [await tile(world, user, "accounts")]
    async with gateway_to(world) as web:
        made = (await web.post(URL, json={"display_name": "x", "tiles": tiles}, headers=as_user(user))).json()
        monkeypatch.setattr(dashboards, "MAX_BYTES", 1)
        found = (await web.get(f"{URL}/{made['id']}:run", headers=as_user(user))).json()
        assert found["missing"] == [{"tile": 0, "service": "customer", "reason": "RESPONSE_TOO_LARGE"}]
        assert (await web.get(f"{URL}/{new_id()}:run", headers=as_user(user))).status_code == 404
        assert (await web.get(f"{URL}/{made['id']}:run")).status_code == 401
        wrong = await web.get(f"{URL}/{made['id']}:run", params={"fields": "x"}, headers=as_user(user))
        assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (400, "fields")


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"tiles": [{"collection": "teams", "report_id": str(new_id())}]}, "tiles[0].collection"),
        ({"tiles": [{"collection": "leads", "report_id": str(new_id()), "column": 7}]}, "tiles[0].width"),
        ({"visibility": "ROLES"}, "role_ids"),
        ({"visibility": "ROLES", "role_ids": [str(new_id())]}, "role_ids[0]"),
        ({"default_role_ids": [str(new_id())]}, "default_role_ids"),
        ({"visibility": "TENANT", "default_role_ids": [str(new_id())]}, "default_role_ids[0]"),
    ],
)
async def test_tiles_and_roles_that_are_none_are_refused_by_name(
    world: World, fields: dict[str, Any], place: str
) -> None:
    user = await world.user(await world.tenant())
    async with gateway_to(world) as web:
        answer = await web.post(URL, json={"display_name": "x", **fields}, headers=as_user(user))
        assert answer.status_code == 422, answer.text
        assert [each["field"] for each in answer.json()["errors"]] == [place]


async def test_a_dashboard_is_changed_by_its_owner_and_what_is_shared_by_who_may_share(world: World) -> None:
    tenant_id = await world.tenant()
    grants = {"dashboards.read": Scope.OWN, "dashboards.write": Scope.OWN}
    owner, other = [await world.user(tenant_id, grants=grants) for _ in range(2)]
    admin = await world.user(tenant_id)
    async with gateway_to(world) as web:

        async def change(by: User, path: str, **fields: Any) -> tuple[int, Any]:
            answer = await web.patch(path, json=fields, headers=as_user(by))
            return answer.status_code, answer.json()

        made = await web.post(URL, json={"display_name": "mine"}, headers=as_user(owner))
        path = f"{URL}/{made.json()['id']}"
        assert (await web.get(path, headers=as_user(other))).status_code == 404
        assert (await change(owner, path, visibility="TENANT"))[0] == 403
        assert (await change(owner, path, display_name="still mine"))[0] == 200
        made = await web.post(URL, json={"display_name": "ours", "visibility": "TENANT"}, headers=as_user(admin))
        path = f"{URL}/{made.json()['id']}"
        assert (await web.get(path, headers=as_user(other))).status_code == 200
        assert (await change(other, path, display_name="theirs"))[0] == 403
        assert (await web.post(f"{path}:archive", json={}, headers=as_user(other))).status_code == 403
        assert (await web.post(f"{path}:archive", json={}, headers=as_user(admin))).json()["state"] == "ARCHIVED"
        assert (await change(admin, path, display_name="x"))[1]["reason"] == "ILLEGAL_STATE"
        assert (await web.post(f"{path}:restore", json={}, headers=as_user(admin))).json()["state"] == "ACTIVE"


# --- files


async def test_a_report_is_a_file_in_the_readers_language(world: World) -> None:
    user = await world.user(await world.tenant())
    question = Question(group_by=["industry"], measures=["count", "sum:employee_count"])
    made = await tile(world, user, "accounts", question=question)
    path = f"/v1/reports/accounts/{made['report_id']}:export"
    async with gateway_to(world) as web:
        for industry, number in (("=1+1", 3), ("steel", 4), ("steel", 5), ("", 7)):
            account = {"kind": "ORGANIZATION", "display_name": "x", "industry": industry or None}
            sent = account | {"employee_count": number}
            assert (await web.post("/v1/accounts", json=sent, headers=as_user(user))).status_code == 201
        text = (await web.get(path, headers=as_user(user) | {"accept-language": "en"})).content.decode("utf-8-sig")
        assert text.splitlines() == [
            "Industry,Records,Number,Employees: sum",
            "steel,2,2,9",
            "'=1+1,1,1,3",
            "(none),1,1,7",
            "Total,4,4,19",
        ]
        answer = await web.get(path, params={"format": "xlsx"}, headers=as_user(user) | {"accept-language": "zh"})
        sheet = openpyxl.load_workbook(io.BytesIO(answer.content)).active
        assert sheet is not None
        rows = list(sheet.iter_rows(values_only=True))
        assert rows[0] == ("行业", "记录数", "数量", "员工人数合计")
        assert rows[1:3] == [("steel", 2, 2, 9), ("=1+1", 1, 1, 3)]
        assert (await web.get(path, params={"format": "doc"}, headers=as_user(user))).status_code == 400
        nothing = await web.get(f"/v1/reports/teams/{new_id()}:export", headers=as_user(user))
        assert (nothing.status_code, nothing.json()["reason"]) == (404, "COLLECTION_NOT_FOUND")
        unseen = await web.get(f"/v1/reports/accounts/{new_id()}:export", headers=as_user(user))
        assert (unseen.status_code, unseen.json()["reason"]) == (404, "REPORT_NOT_FOUND")


async def test_a_report_is_drawn_as_a_pdf_while_others_are_served(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = await world.user(await world.tenant())
    made = await tile(world, user, "accounts", question=Question(group_by=["industry"]))
    drawn_on: list[threading.Thread] = []

    def watched(*given: Any, **named: Any) -> bytes:
        drawn_on.append(threading.current_thread())
        return pdf_of(*given, **named)

    monkeypatch.setattr(pdf, "pdf_of", watched)
    async with gateway_to(world) as web:
        path = f"/v1/reports/accounts/{made['report_id']}:export?format=pdf"
        answer = await web.get(path, headers=as_user(user))
    assert (answer.headers["content-type"], answer.content[:5]) == ("application/pdf", b"%PDF-")
    assert threading.main_thread() not in drawn_on
    assert drawn_on


async def test_every_built_in_report_is_answered(world: World) -> None:
    user = await world.user(await world.tenant())
    async with gateway_to(world) as web:
        for collection in (
            "accounts",
            "interactions",
            "leads",
            "opportunities",
            "orders",
            "payments",
            "cases",
            "scores",
        ):
            listed = (await web.get(f"/v1/reports/{collection}", headers=as_user(user))).json()
            assert listed["built_in_reports"], collection
            for ready in listed["built_in_reports"]:
                path = f"/v1/reports/{collection}/{ready['id']}:run"
                answer = await web.get(path, headers=as_user(user))
                assert answer.status_code == 200, answer.text
                assert answer.json()["report"]["built_in"]
                names = {answer.json()["report"]["names"][language] for language in ("en", "zh")}
                assert len(names) == 2
