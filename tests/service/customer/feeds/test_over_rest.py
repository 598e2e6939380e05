"""A feed over REST, as a program of another company sees it."""

import httpx
from crm_gateway.app import create_app
from crm_gateway.settings import Settings

from tests.service.customer.feeds.bringing import Bringing, day
from tests.service.eventually import eventually


async def test_a_program_brings_a_file_and_reads_what_became_of_it(bringing: Bringing) -> None:
    gateway = create_app(Settings(customer_address=bringing.running.service.settings.listen_address))
    headers = {"authorization": f"Bearer {bringing.user.token}"}
    transport = httpx.ASGITransport(app=gateway.asgi)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway", headers=headers) as client:
        feed = {"display_name": "ERP", "external_source": "erp", "mode": "UPSERT", "schedule": {"at": "06:00"}}
        made = await client.post("/v1/feeds", json=feed)
        assert made.status_code == 201, made.text
        content = "客户编号,客户名称\nK-1,华信电力\n".encode()
        upload = await client.post("/v1/uploads?file_name=kna1.csv", content=content)
        path = f"/v1/feeds/{made.json()['id']}/deliveries"
        sent = {"delivery_id": "kna1-0", "data_date": day(0), "upload_id": upload.json()["id"], "expected_rows": 1}
        brought = await client.post(path, json=sent)
        assert brought.is_success, brought.text
        assert brought.json()["feed_name"] == "ERP"
        other = await client.post(path, json=sent | {"data_date": day(1)}, headers={"accept-language": "zh"})
        assert (other.status_code, other.json()["reason"]) == (409, "FEED_DELIVERY_CONFLICT")
        assert "kna1-0" in other.json()["detail"]

        async def ended() -> dict[str, object] | None:
            now = (await client.get(f"/v1/feed-deliveries/{brought.json()['id']}")).json()
            return now if now.get("finish_time") else None

        done = await eventually(ended)
        assert done is not None
        assert (done["state"], done["created_count"]) == ("SUCCEEDED", 1)
        found = await client.get("/v1/feed-deliveries:count", params={"filter": f'feed_id = "{made.json()["id"]}"'})
        assert found.json()["count"] == 1
    await gateway.close()
