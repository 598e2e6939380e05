"""Access explained: by which role, scope and ownership, and to whom it is told."""

from uuid import UUID

from crm.customer.v1 import accounts_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.resource.v1 import record_access_pb2 as pb
from crm.resource.v1.record_access_pb2_grpc import RecordAccessServiceStub
from crm.sales.v1.pipelines_pb2 import ListPipelinesRequest
from crm.sales.v1.pipelines_pb2_grpc import PipelineServiceStub
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.customer.customers import new_account
from tests.service.running import Running, User, refused
from tests.service.web import bearer, gateway

Access = pb.RecordAccess
READ_AND_WRITE_OWN = {"accounts.read": Scope.OWN, "accounts.write": Scope.OWN}


async def explain(customer: Running, by: User, record_id: str, user_id: UUID | None = None) -> pb.RecordAccess:
    request = pb.ExplainRecordAccessRequest(collection="accounts", id=record_id, user_id=str(user_id or ""))
    answer: pb.RecordAccess = await RecordAccessServiceStub(customer.channel).ExplainRecordAccess(
        request, metadata=by.metadata
    )
    return answer


def by_verb(access: pb.RecordAccess) -> dict[str, pb.RecordAccess.Operation]:
    return {each.verb: each for each in access.operations}


async def test_each_way_to_a_record_is_named(customer: Running) -> None:
    admin = await customer.user()
    team = await customer.team(admin.tenant_id)
    owner = await customer.user(admin.tenant_id, grants=READ_AND_WRITE_OWN, team_id=team)
    leader = await customer.user(
        admin.tenant_id, grants={"accounts.read": Scope.TEAM, "accounts.write": Scope.OWN}, team_id=team
    )
    stranger = await customer.user(admin.tenant_id, grants=READ_AND_WRITE_OWN)
    account = await new_account(customer, owner)
    told = {
        who: await explain(customer, admin, account.id, each.id)
        for who, each in (("owner", owner), ("leader", leader), ("stranger", stranger), ("admin", admin))
    }
    assert {who: (each.owner, each.needed_scope) for who, each in told.items()} == {
        "owner": (True, Access.SCOPE_OWN),
        "leader": (False, Access.SCOPE_TEAM),
        "stranger": (False, Access.SCOPE_ALL),
        "admin": (False, Access.SCOPE_ALL),
    }
    assert {who: (by_verb(each)["get"].allowed, by_verb(each)["update"].allowed) for who, each in told.items()} == {
        "owner": (True, True),
        "leader": (True, False),
        "stranger": (False, False),
        "admin": (True, True),
    }
    update = by_verb(told["leader"])["update"]
    assert (update.permission, update.scope, update.reason) == (
        "accounts.write",
        Access.SCOPE_OWN,
        "PERMISSION_DENIED",
    )
    assert update.detail == "the permission accounts.write does not reach this record"
    (grant,) = by_verb(told["admin"])["get"].grants
    assert (grant.permission, grant.scope) == ("*", Access.SCOPE_ALL)


async def test_what_is_said_of_changing_a_record_is_what_happens(customer: Running) -> None:
    admin = await customer.user()
    team = await customer.team(admin.tenant_id)
    account = await new_account(customer, await customer.user(admin.tenant_id, team_id=team))
    accounts = AccountServiceStub(customer.channel)
    for scope in (None, *Scope):
        for team_id in (None, team):
            grants = {"accounts.read": Scope.ALL} | ({"accounts.write": scope} if scope else {})
            user = await customer.user(admin.tenant_id, grants=grants, team_id=team_id)
            told = by_verb(await explain(customer, admin, account.id, user.id))["update"]
            changed = accounts_pb2.Account(id=account.id, industry=f"industry of {user.id}")
            mask = FieldMask(paths=["industry"])
            request = accounts_pb2.UpdateAccountRequest(account=changed, update_mask=mask)
            if told.allowed:
                await accounts.UpdateAccount(request, metadata=user.metadata)
            else:
                code = ("NOT_FOUND", "ACCOUNT_NOT_FOUND") if scope else ("PERMISSION_DENIED", "PERMISSION_DENIED")
                with refused(*code):
                    await accounts.UpdateAccount(request, metadata=user.metadata)
            assert told.allowed == (scope is Scope.ALL or (scope is Scope.TEAM and team_id is not None))


async def test_somebody_who_has_left_can_do_nothing(customer: Running) -> None:
    admin = await customer.user()
    left = await customer.user(admin.tenant_id, grants=READ_AND_WRITE_OWN)
    account = await new_account(customer, left)
    await customer.change_user(left, active=False)
    told = await explain(customer, admin, account.id, left.id)
    assert (told.active, told.owner, list(told.operations)) == (False, True, [])
    async with gateway(customer) as web:
        path = f"/v1/accounts/{account.id}:explainAccess"
        answer = await web.get(path, params={"user_id": str(left.id)}, headers=bearer(admin))
    assert answer.json()["needed_scope"] is None


async def test_a_verb_that_the_record_does_not_allow_is_told_with_the_reason(customer: Running) -> None:
    admin = await customer.user()
    account = await new_account(customer, admin)
    archived = accounts_pb2.ArchiveAccountRequest(id=account.id)
    await AccountServiceStub(customer.channel).ArchiveAccount(archived, metadata=admin.metadata)
    told = by_verb(await explain(customer, admin, account.id))
    assert (told["archive"].allowed, told["archive"].reason) == (False, "ILLEGAL_STATE")
    assert told["archive"].grants
    async with gateway(customer) as web:
        path = f"/v1/accounts/{account.id}:explainAccess"
        answer = await web.get(path, headers=bearer(admin) | {"accept-language": "zh"})
    (detail,) = [each["detail"] for each in answer.json()["operations"] if each["verb"] == "archive"]
    assert detail.startswith("当前状态为“已归档”")


async def test_of_others_it_is_told_to_who_may_read_them_and_their_roles(customer: Running) -> None:
    admin = await customer.user()
    team = await customer.team(admin.tenant_id)
    reading = {"accounts.read": Scope.ALL}
    inside = await customer.user(admin.tenant_id, grants=READ_AND_WRITE_OWN, team_id=team)
    outside = await customer.user(admin.tenant_id, grants=READ_AND_WRITE_OWN)
    account = await new_account(customer, admin)

    for lacking in ({}, {"users.read": Scope.ALL}, {"roles.read": Scope.ALL}):
        curious = await customer.user(admin.tenant_id, grants=reading | lacking)
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
            await explain(customer, curious, account.id, inside.id)
        assert by_verb(await explain(customer, curious, account.id, curious.id))["get"].allowed
    leader = await customer.user(
        admin.tenant_id,
        grants=reading | {"users.read": Scope.TEAM, "roles.read": Scope.ALL},
        team_id=team,
    )
    assert not by_verb(await explain(customer, leader, account.id, inside.id))["get"].allowed
    stranger = await customer.user()
    for unknown in (outside.id, stranger.id, new_id()):
        with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
            await explain(customer, leader, account.id, unknown)


async def test_of_a_record_that_one_does_not_see_nothing_is_explained(customer: Running) -> None:
    admin = await customer.user()
    account = await new_account(customer, admin)
    narrow = await customer.user(admin.tenant_id, grants=READ_AND_WRITE_OWN)
    for by in (narrow, await customer.user()):
        with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
            await explain(customer, by, account.id)


async def test_roles_are_called_by_name_in_every_service(sales: Running) -> None:
    user = await sales.user()
    stub = RecordAccessServiceStub(sales.channel)
    pipelines = PipelineServiceStub(sales.channel)
    (pipeline,) = (await pipelines.ListPipelines(ListPipelinesRequest(), metadata=user.metadata)).pipelines
    request = pb.ExplainRecordAccessRequest(collection="pipelines", id=pipeline.id)
    told = await stub.ExplainRecordAccess(request, metadata=user.metadata)
    assert {grant.role_name for each in told.operations for grant in each.grants} == {"a role"}
