"""Approvals for tests, asked for and decided through the contract."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeAlias, cast
from uuid import UUID

from crm.customer.v1.approval_delegations_pb2 import ApprovalDelegation
from crm.customer.v1.events_pb2 import ApprovalDelegationCancelled, ApprovalDelegationCreated
from crm.resource.v1 import approval_policies_pb2, approvals_pb2
from crm.resource.v1.approval_policies_pb2_grpc import ApprovalPolicyServiceStub
from crm.resource.v1.approvals_pb2_grpc import ApprovalServiceStub
from crm.type.v1 import money_pb2
from crm_kit.directory.projection import project_role, project_user
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message

from tests.service.eventually import eventually
from tests.service.running import ADMIN, Running, User

Policy: TypeAlias = approval_policies_pb2.ApprovalPolicy
Approval: TypeAlias = approvals_pb2.Approval
Row: TypeAlias = approval_policies_pb2.ApprovalPolicy.Row
Step: TypeAlias = approval_policies_pb2.ApprovalPolicy.Step
ALLOW, ASK, REFUSE = Policy.OUTCOME_ALLOW, Policy.OUTCOME_ASK, Policy.OUTCOME_REFUSE
ANY, ALL = Policy.MODE_ANY, Policy.MODE_ALL


def up_to(amount: object, currency_code: str = "CNY") -> money_pb2.Money:
    return money_pb2.Money(amount=str(amount), currency_code=currency_code)


def step(*users: User, roles: tuple[UUID, ...] = (), mode: Any = ANY, **fields: Any) -> Step:
    return Step(mode=mode, user_ids=[str(each.id) for each in users], role_ids=list(map(str, roles)), **fields)


def asks(*steps: Step, **fields: Any) -> Row:
    return Row(outcome=ASK, steps=steps, **fields)


def allows(**fields: Any) -> Row:
    return Row(outcome=ALLOW, **fields)


@dataclass(frozen=True)
class Desk:
    """The approvals of a collection's verb, over one channel of a service."""

    channel: Any
    collection: str
    verb: str

    @property
    def _policies(self) -> Any:
        return ApprovalPolicyServiceStub(self.channel)

    @property
    def _approvals(self) -> Any:
        return ApprovalServiceStub(self.channel)

    async def policy(self, by: User, *rows: Row, **fields: Any) -> Policy:
        policy = Policy(**{"verb": self.verb, "display_name": "大额审批", "rows": rows, **fields})
        request = approval_policies_pb2.CreateApprovalPolicyRequest(collection=self.collection, approval_policy=policy)
        return cast("Policy", await self._policies.CreateApprovalPolicy(request, metadata=by.metadata))

    async def change_policy(self, by: User, policy: Policy, *paths: str) -> Policy:
        request = approval_policies_pb2.UpdateApprovalPolicyRequest(
            collection=self.collection, approval_policy=policy, update_mask=FieldMask(paths=paths)
        )
        return cast("Policy", await self._policies.UpdateApprovalPolicy(request, metadata=by.metadata))

    async def on_policy(self, verb: str, by: User, id: str, **fields: Any) -> Any:
        request = getattr(approval_policies_pb2, f"{verb}Request")(collection=self.collection, id=id, **fields)
        return await getattr(self._policies, verb)(request, metadata=by.metadata)

    async def policies(self, by: User, **fields: Any) -> list[Policy]:
        request = approval_policies_pb2.ListApprovalPoliciesRequest(collection=self.collection, **fields)
        return list((await self._policies.ListApprovalPolicies(request, metadata=by.metadata)).approval_policies)

    async def submit(self, by: User, request: Message, comment: str = "", *, key: str = "") -> Approval:
        asked = approvals_pb2.SubmitApprovalRequest(
            collection=self.collection,
            verb=self.verb,
            request=approvals_pb2.VerbRequest.FromString(request.SerializeToString()),
            comment=comment,
        )
        return cast(
            "Approval", await self._approvals.SubmitApproval(asked, metadata=by.with_key(key) if key else by.metadata)
        )

    async def approve(self, by: User, approval: Approval, *, key: str = "", **fields: Any) -> Approval:
        return await self._decide("Approve", by, approval, key=key, **fields)

    async def reject(self, by: User, approval: Approval, comment: str = "too much", *, key: str = "") -> Approval:
        return await self._decide("Reject", by, approval, comment=comment, key=key)

    async def withdraw(self, by: User, approval: Approval, comment: str = "", *, key: str = "") -> Approval:
        return await self._decide("Withdraw", by, approval, comment=comment, key=key)

    async def reassign(
        self,
        by: User,
        approval: Approval,
        to: User,
        *,
        comment: str = "knows them better",
        key: str = "",
        **fields: Any,
    ) -> Approval:
        return await self._decide("Reassign", by, approval, key=key, to_user_id=str(to.id), comment=comment, **fields)

    async def get(self, by: User, approval: Approval) -> Approval:
        request = approvals_pb2.GetApprovalRequest(collection=self.collection, id=approval.id)
        return cast("Approval", await self._approvals.GetApproval(request, metadata=by.metadata))

    async def outdated(self, by: User, approval: Approval) -> Approval:
        """The approval once its record is known to have changed."""

        async def is_outdated() -> bool:
            return (await self.get(by, approval)).state == Approval.STATE_OUTDATED

        await eventually(is_outdated)
        return await self.get(by, approval)

    async def facets(self, by: User, field: str, filter: str = "") -> Any:
        request = approvals_pb2.CountApprovalValuesRequest(collection=self.collection, field=field, filter=filter)
        return await self._approvals.CountApprovalValues(request, metadata=by.metadata)

    async def listed(self, by: User, **fields: Any) -> list[Approval]:
        request = approvals_pb2.ListApprovalsRequest(collection=self.collection, **fields)
        return list((await self._approvals.ListApprovals(request, metadata=by.metadata)).approvals)

    async def waiting(self, by: User) -> list[str]:
        request = approvals_pb2.ListWaitingApprovalsRequest(collection=self.collection)
        page = await self._approvals.ListWaitingApprovals(request, metadata=by.metadata)
        return [each.id for each in page.approvals]

    async def count(self, by: User, filter: str = "") -> int:
        """How many of them somebody sees that the filter takes."""
        request = approvals_pb2.CountApprovalsRequest(collection=self.collection, filter=filter)
        counted = await self._approvals.CountApprovals(request, metadata=by.metadata)
        return int(counted.count)

    async def changes(self, by: User, approval: Approval) -> list[Any]:
        request = approvals_pb2.ListApprovalChangesRequest(collection=self.collection, id=approval.id)
        return list((await self._approvals.ListApprovalChanges(request, metadata=by.metadata)).changes)

    async def _decide(self, verb: str, by: User, approval: Approval, *, key: str, **fields: Any) -> Approval:
        request = getattr(approvals_pb2, f"{verb}ApprovalRequest")(collection=self.collection, id=approval.id, **fields)
        metadata = by.with_key(key) if key else by.metadata
        return cast("Approval", await getattr(self._approvals, f"{verb}Approval")(request, metadata=metadata))


async def new_role(
    service: Running, tenant_id: UUID, grants: dict[str, Scope] | None = None, *, hidden_fields: Sequence[str] = ()
) -> UUID:
    """A role; it permits everything, and hides nothing, unless told otherwise."""
    id = new_id()
    async with service.unit_of_work(tenant_id) as work:
        granted = dict(ADMIN) if grants is None else grants
        project_role(work, id=id, grants=granted, hidden_fields=hidden_fields, version=1)
    return id


async def set_roles(
    service: Running, user: User, *role_ids: UUID, active: bool = True, version: int = 2, team_id: UUID | None = None
) -> None:
    """Have the service know that a user has these roles now."""
    async with service.unit_of_work(user.tenant_id) as work:
        project_user(
            work,
            id=user.id,
            login=f"{user.id.hex[-12:]}@example.test",
            display_name="somebody",
            active=active,
            team_id=team_id,
            role_ids=list(role_ids),
            version=version,
        )
    service.service.directory.forget(user.tenant_id)


async def stand_in(
    service: Running,
    deputy: User,
    absent: User,
    *,
    days: tuple[date, date] = (date(2000, 1, 1), date(2900, 1, 1)),
    collection: str | None = None,
    active: bool = True,
    id: UUID | None = None,
    version: int = 1,
) -> UUID:
    """Have the service know that somebody is the deputy of somebody else on these days."""
    id = id or new_id()
    delegation = ApprovalDelegation(
        id=str(id),
        owner_id=str(absent.id),
        deputy_id=str(deputy.id),
        first_date=days[0].isoformat(),
        last_date=days[1].isoformat(),
        collection=collection or "",
        state=ApprovalDelegation.STATE_ACTIVE if active else ApprovalDelegation.STATE_CANCELLED,
    )
    told = (ApprovalDelegationCreated if active else ApprovalDelegationCancelled)(approval_delegation=delegation)
    await service.hear(told, tenant_id=absent.tenant_id, aggregate_id=id, version=version)
    return id
