"""Services raise notices with what they tell of, to everybody whom it concerns but who is at work."""

from uuid import UUID

from crm.type.v1 import notice_kind_pb2
from crm_kit.identity.access import SERVICE_USER
from crm_kit.ids import new_id
from crm_kit.notices import MAX_NAME, MAX_USERS, raise_notice

from tests.service.notices import raised
from tests.service.running import Running

MENTIONED = notice_kind_pb2.NOTICE_KIND_MENTIONED


async def test_each_is_told_once_and_who_is_at_work_is_not(scoring: Running) -> None:
    tenant_id, record_id = await scoring.tenant(), new_id()
    one, two = new_id(), new_id()
    async with scoring.unit_of_work(tenant_id) as work:
        raise_notice(work, MENTIONED, [one, two, one, SERVICE_USER], record=("scores", record_id), name="x" * 300)
        raise_notice(work, MENTIONED, [SERVICE_USER], record=("scores", record_id))
        raise_notice(work, MENTIONED, [SERVICE_USER], record=("scores", record_id), also_actor=True)
    first, also = await raised(scoring, tenant_id)
    assert list(first.user_ids) == [str(one), str(two)]
    assert (first.collection, first.record_id, first.record_name) == ("scores", str(record_id), "x" * MAX_NAME)
    assert list(also.user_ids) == [str(SERVICE_USER)]


async def test_a_notice_to_thousands_goes_in_parts(scoring: Running) -> None:
    tenant_id, ids = await scoring.tenant(), [new_id() for _ in range(2 * MAX_USERS + 1)]
    async with scoring.unit_of_work(tenant_id) as work:
        raise_notice(work, MENTIONED, ids, record=("scores", new_id()), values={"rule": "one"})
    parts = await raised(scoring, tenant_id)
    assert [len(each.user_ids) for each in parts] == [MAX_USERS, MAX_USERS, 1]
    assert [UUID(id) for each in parts for id in each.user_ids] == ids
    assert {each.values["rule"] for each in parts} == {"one"}
