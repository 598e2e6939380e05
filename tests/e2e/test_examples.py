"""What `make run` puts into the demo tenant to begin with."""

import asyncio

import httpx
from crm_local.examples import (
    ANSWER,
    COMMENT,
    CUSTOMER,
    FILE_NAME,
    HIDDEN,
    HIDING,
    MAILS,
    MANAGER_LOGIN,
    NAMEPLATE,
    READINGS,
    RESTRICTED,
    add_examples,
)
from crm_local.testing import Platform


async def test_an_order_waits_for_the_administrator_once_however_often_it_is_started(platform: Platform) -> None:
    password = platform.demo_login["password"]
    made = [await asyncio.to_thread(add_examples, platform.rest_url, password) for _ in range(2)]
    assert made == [True, False]
    async with httpx.AsyncClient(base_url=platform.rest_url, timeout=30) as web:
        token = (await web.post("/v1/auth:token", json=platform.demo_login)).json()["access_token"]
        web.headers["authorization"] = f"Bearer {token}"
        waiting = [each for each in (await web.get("/v1/approvals")).json()["approvals"] if each["verb"] == "release"]
        (approval,) = waiting
        assert (approval["record_name"], approval["submitter_name"]) == (CUSTOMER["display_name"], "Sales manager")
        assert approval["your_decisions"] == ["APPROVE", "REJECT"]
        assert approval["steps"][0]["role_names"] == ["ADMINISTRATOR"]
        assert approval["due_time"] > approval["create_time"]
        path = "/v1/approvals/orders"
        counted = await web.get(f"{path}:count", params={"filter": "state = PENDING AND your_decisions:APPROVE"})
        assert counted.json() == {"count": 1, "exact": True}
        approved = await web.post(f"{path}/{approval['id']}:approve", json={})
        assert approved.json()["state"] == "APPROVED", approved.text
        order = (await web.get(f"/v1/orders/{approval['record_id']}")).json()
        assert order["state"] == "RELEASED"
        file = await web.get(f"{path}:export", params={"filter": "state = APPROVED", "fields": "record_name,state"})
        assert file.text.splitlines()[1:] == [f"{CUSTOMER['display_name']},APPROVED"]
        assert file.headers["content-disposition"] == 'attachment; filename="approvals-orders.csv"'
        messages = (await web.get("/v1/inbound-messages")).json()["inbound_messages"]
        found = {(each["subject"], each["state"], each["reason"], each["channel_name"]) for each in messages}
        assert found == {
            ("咨询", "UNMATCHED", "UNKNOWN_SENDER", "客服邮箱"),
            (MAILS[0][3], "MATCHED", "BY_HAND", "客服邮箱"),
            (MAILS[1][3], "MATCHED", "THREAD", "客服邮箱"),
        }
        (case_id,) = {each["case_id"] for each in messages} - {None}
        files = (await web.get(f"/v1/cases/{case_id}/attachments")).json()["attachments"]
        assert {each["name"] for each in files} == {READINGS, NAMEPLATE}
        log = (await web.get(f"/v1/cases/{case_id}/events")).text
        assert [text in log for text in (ANSWER, MAILS[1][4])] == [True, True]
        calls = (await web.get("/v1/calls")).json()["calls"]
        assert [(each["outcome"], each["user_name"]) for each in calls] == [
            ("MISSED", "Service agent"),
            ("ANSWERED", "Service agent"),
        ]
        (member,) = (await web.get("/v1/account-members")).json()["account_members"]
        assert (member["account_name"], member["user_name"]) == (CUSTOMER["display_name"], "Salesperson north")
        roles = (await web.get("/v1/roles", params={"page_size": 200})).json()["roles"]
        assert [each["hidden_fields"] for each in roles if each["display_name"] == HIDING] == [list(HIDDEN)]
        path = f"/v1/accounts/{order['account_id']}"
        (comment,) = (await web.get(f"{path}/comments")).json()["comments"]
        assert (comment["author_name"], comment["text"]) == ("Sales manager", COMMENT)
        (attached,) = (await web.get(f"{path}/attachments")).json()["attachments"]
        assert attached["name"] == FILE_NAME
        jobs = (await web.get("/v1/jobs/accounts")).json()["jobs"]
        # Deliveries of the feed are imported meanwhile.
        export, job = [each for each in jobs if each["kind"] != "IMPORT"]
        assert (job["owner_name"], job["total_count"]) == ("Sales manager", 1)
        assert (export["kind"], export["owner_name"]) == ("EXPORT", "Administrator")
        (restricted,) = (await web.get("/v1/accounts", params={"filter": "restricted = true"})).json()["accounts"]
        assert (restricted["display_name"], restricted["restricted_by"]) == (RESTRICTED["display_name"], "HAND")
        products = (await web.get("/v1/products", params={"filter": 'code = "KIT-R400"'})).json()["products"]
        line = {"product_id": products[0]["id"], "quantity": "2"}
        asked = {"currency_code": "CNY", "lines": [line], "account_id": order["account_id"]}
        priced = (await web.post("/v1/price-books:price", json=asked)).json()
        assert priced["net_amount"]["amount"] == "117800.00", priced
        assert priced["lines"][0]["source"]["price_book_name"] == "标准价目表"
        assert len(priced["lines"][0]["parts"]) == 3
        proposals = (await web.get("/v1/change-proposals/accounts")).json()["change_proposals"]
        assert [(each["state"], each["record_name"]) for each in proposals] == [
            ("PENDING", CUSTOMER["display_name"]),
            ("ACCEPTED", CUSTOMER["display_name"]),
        ]
        account = (await web.get(f"/v1/accounts/{proposals[0]['record_id']}")).json()
        assert (account["short_name"], account["phone_numbers"]) == ("远洋船务", [])
        manager = platform.demo_login | {"login": MANAGER_LOGIN}
        token = (await web.post("/v1/auth:token", json=manager)).json()["access_token"]
        mine = (await web.get("/v1/tasks", headers={"authorization": f"Bearer {token}"})).json()
        assert [each["collection"] for each in mine["tasks"]][:2] == ["accounts", "orders"]
        # Others work in this tenant, too.
        (policy,) = (await web.get("/v1/approval-policies/orders")).json()["approval_policies"]
        archived = await web.post(f"/v1/approval-policies/orders/{policy['id']}:archive", json={})
        assert archived.status_code == 200, archived.text
