"""Scores as a resource: what every resource offers, and what lists do with what is unknown."""

from typing import TYPE_CHECKING, Any

import pytest
from crm.resource.v1 import resources_pb2
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm.scoring.v1 import scores_pb2 as pb
from crm.scoring.v1.scores_pb2_grpc import ScoreServiceStub

from tests.service.history import changes_of
from tests.service.running import Running, User
from tests.service.scoring.business import money, new_account, order, tell
from tests.service.scoring.scored import get, settled, twenty_buyers

if TYPE_CHECKING:
    from crm.resource.v1.resources_pb2_grpc import ResourceServiceAsyncStub
    from crm.scoring.v1.scores_pb2_grpc import ScoreServiceAsyncStub

Tier = pb.ValueTierScore


@pytest.fixture
async def user(scoring: Running) -> User:
    return await scoring.user()


@pytest.fixture
def stub(scoring: Running) -> "ScoreServiceAsyncStub":
    return ScoreServiceStub(scoring.channel)


async def test_what_is_unknown_is_no_number_in_filters_orders_and_sums(
    scoring: Running, stub: "ScoreServiceAsyncStub", user: User
) -> None:
    accounts = await twenty_buyers(scoring, user)
    abroad = await new_account(scoring, user.tenant_id, user)
    await tell(scoring, order(user.tenant_id, abroad, 5, currency_code="USD").released())
    await settled(scoring, user.tenant_id)

    async def listed(**asked: Any) -> list[str]:
        page = await stub.ListScores(pb.ListScoresRequest(**asked), metadata=user.metadata)
        return [each.account_id for each in page.scores]

    for field in ("rfm.value", "value_tier.value"):
        assert set(await listed(filter=f"{field} < 5000000")) == set(map(str, accounts))
        assert await listed(filter=f"{field} = 0") == []
        assert await listed(filter=f"NOT {field}:*") == [str(abroad)]
        for direction in ("", " desc"):
            in_order = await listed(order_by=field + direction)
            assert (len(in_order), in_order[-1]) == (len(accounts) + 1, str(abroad))
    records: ResourceServiceAsyncStub = ResourceServiceStub(scoring.channel)
    summary = await records.SummarizeRecords(
        resources_pb2.SummarizeRecordsRequest(
            collection="scores", group_by=["value_tier.band"], sum=["value_tier.value"]
        ),
        metadata=user.metadata,
    )
    sums = {each.key["value_tier.band"]: [one.amount for one in each.sums] for each in summary.groups}
    assert summary.total_count == len(accounts) + 1
    assert (sums["UNKNOWN"], sums["KEY"]) == ([], [money("5000.00")])


async def test_scores_are_a_resource_like_any_other(
    scoring: Running, stub: "ScoreServiceAsyncStub", user: User
) -> None:
    accounts = await twenty_buyers(scoring, user)
    best, silent = str(accounts[-1]), str(await new_account(scoring, user.tenant_id, user))
    metadata = user.metadata
    before = await get(stub, user, accounts[-1])
    records: ResourceServiceAsyncStub = ResourceServiceStub(scoring.channel)
    wanted = resources_pb2.BatchGetRecordsRequest(collection="scores", ids=[best, silent])
    found = await records.BatchGetRecords(wanted, metadata=metadata)
    assert [pb.AccountScores.FromString(each.SerializeToString()) for each in found.records] == [before]
    assert list(found.missing_ids) == [silent]
    for field, value in (("rfm.band", "CHAMPIONS"), ("value_tier.band", "KEY"), ("account_owner_id", str(user.id))):
        asked = resources_pb2.CountRecordValuesRequest(collection="scores", field=field, filter="value_tier.band = KEY")
        values = (await records.CountRecordValues(asked, metadata=metadata)).values
        assert [(each.value, each.count) for each in values] == [(value, 1)]
    await tell(scoring, order(user.tenant_id, accounts[0], 10**6).released())
    await settled(scoring, user.tenant_id)
    after = await get(stub, user, accounts[-1])
    assert after.value_tier.band != before.value_tier.band
    page = await changes_of(scoring, "scores", best, metadata)
    newest = page.changes[0]
    assert (newest.action, page.changes[-1].action) == ("VALUE_TIER_CHANGED", "CREATED")
    told = {each.field: (each.old_value.struct_value, each.new_value.struct_value) for each in newest.fields}
    assert [each["band"] for each in told["value_tier"]] == ["KEY", Tier.Tier.Name(after.value_tier.band)[5:]]
    as_of = resources_pb2.GetRecordAsOfRequest(collection="scores", id=best, read_time=before.update_time)
    then = await records.GetRecordAsOf(as_of, metadata=metadata)
    was = pb.AccountScores.FromString(then.SerializeToString())
    assert (was.rfm, was.value_tier, was.etag) == (before.rfm, before.value_tier, before.etag)
