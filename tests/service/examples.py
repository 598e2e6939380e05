"""One resource of every kind, made through the contract, and what the ids in requests mean."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast
from uuid import UUID

import grpc
from crm.resource.v1.events_pb2 import NoticeRaised
from crm_customer.directory.tenants.commands import create_tenant
from crm_customer.directory.tenants.queries import find_tenant
from crm_customer.feeds.deliveries.resource import FEED_DELIVERIES
from crm_customer.feeds.deliveries.tables import feed_deliveries
from crm_customer.integrations.webhook_deliveries.commands import note
from crm_customer.integrations.webhook_deliveries.model import State as DeliveryState
from crm_customer.integrations.webhook_deliveries.model import WebhookDelivery
from crm_customer.records.duplicate_pairs.commands import create_pair
from crm_customer.records.duplicate_rules.matching import Evidence, Match, Reason
from crm_gateway.contract import Rpc
from crm_kit.automation.runs.model import AutomationRun, State
from crm_kit.automation.runs.resource import RUNS
from crm_kit.clock import system_now
from crm_kit.database.statements import compile_statement
from crm_kit.database.work import retried
from crm_kit.directory.projection import project_role, project_team, project_user
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.jobs.model import Job
from crm_kit.jobs.resource import JOBS as JOB_RESOURCE
from crm_kit.notices import Kind
from crm_kit.plumbing import automation_runs
from crm_kit.rpc.status import reason_of
from crm_scoring.scores.commands import put_scores
from crm_scoring.scores.model import AccountScores
from crm_scoring.scores.resource import SCORES
from crm_service_desk.outbound_messages.commands import advance
from crm_service_desk.outbound_messages.resource import OUTBOUND_MESSAGES
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.text_format import MessageToString
from sqlalchemy import update

from tests.factories.messages import Path, has_id, minimal, put_id, settled
from tests.factories.places import (
    APPROVALS,
    ATTACHMENT_UPLOADS,
    ATTACHMENTS,
    AUTOMATION_RULES,
    AUTOMATION_RUNS,
    COMMENTS,
    COMPLETED,
    CUSTOM_FIELDS,
    DISCUSSED,
    JOBS,
    POLICIES,
    PROPOSALS,
    REPORTS,
    RPCS,
    SOURCE_VALUES,
    TASKS,
    WITH_APPROVALS,
    WITH_AUTOMATION,
    WITH_CUSTOM_FIELDS,
    WITH_FILES,
    WITH_JOBS,
    WITH_PROPOSALS,
    WITH_REPORTS,
    WITH_SOURCES,
    WITH_TASKS,
    kind_of,
    make_unique,
    nothing,
    paths_of,
    route_paths,
)
from tests.service.eventually import eventually
from tests.service.running import ADMIN, Running, User, violations_of

# Of those that belong to a case the files are that of the case.
WAITING_MESSAGES = "waiting inbound messages"


@dataclass(frozen=True, slots=True)
class Answer:
    """All that a caller is told, with the ids that they named taken out."""

    code: str
    reason: str
    text: str
    fields: tuple[str, ...] = ()


@dataclass
class World:
    """Services that know the same tenants and users."""

    services: Mapping[str, Running]
    _examples: dict[tuple[str, UUID], str] = field(default_factory=dict)
    _users: dict[str, User] = field(default_factory=dict)

    async def tenant(self) -> UUID:
        """A new, empty tenant."""
        id = new_id()
        for service in self.services.values():
            await service.know_tenant(id)
        return id

    async def user(
        self,
        tenant_id: UUID,
        *,
        grants: Mapping[str, Scope] = ADMIN,
        active: bool = True,
        team_id: UUID | None = None,
        hidden_fields: Sequence[str] = (),
    ) -> User:
        """A new user, with a team of their own unless one is given; their one role hides these fields."""
        id, role_id, team_id = new_id(), new_id(), team_id or new_id()
        for service in self.services.values():
            async with service.unit_of_work(tenant_id) as work:
                project_team(work, id=team_id, display_name="a team", parent_id=None, version=1)
                project_role(work, id=role_id, grants=dict(grants), version=1, hidden_fields=hidden_fields)
                project_user(
                    work,
                    id=id,
                    login=f"{id.hex[-12:]}@example.test",
                    display_name="somebody",
                    active=active,
                    team_id=team_id,
                    role_ids=[role_id],
                    version=1,
                )
        one = next(iter(self.services.values()))
        return User(tenant_id, id, one.tokens.token(one.service.settings.issuer, tenant_id, id), team_id)

    async def known(self, name: str, make: Callable[[], Awaitable[User]]) -> User:
        """The user of this name, made when first asked for."""
        if name not in self._users:
            self._users[name] = await make()
        return self._users[name]

    async def answer(self, rpc: Rpc, request: Message, metadata: tuple[tuple[str, str], ...]) -> Answer:
        """What a call is answered."""
        try:
            response = await self.call(rpc, request, metadata)
        except grpc.aio.AioRpcError as error:
            fields = tuple(each.field for each in violations_of(error))
            return Answer(error.code().name, reason_of(error), error.details() or "", fields)
        return Answer("OK", "", MessageToString(response))

    async def call(self, rpc: Rpc, request: Message, metadata: tuple[tuple[str, str], ...]) -> Message:
        """Call an rpc where it is served."""
        method = cast(
            "Callable[..., Any]",
            self.services[rpc.owner].channel.unary_unary(
                rpc.path,
                request_serializer=lambda message: rpc.preset + message.SerializeToString(),
                response_deserializer=GetMessageClass(rpc.response).FromString,
            ),
        )
        return cast("Message", await method(request, metadata=metadata, timeout=60))

    async def example(self, kind: str, user: User) -> str:
        """The id of a resource that the user has made."""
        example, key = EXAMPLES[kind], (kind, user.id)
        if key not in self._examples or not example.lasting:
            self._examples[key] = await example.make(self, user)
        return self._examples[key]

    async def request(self, rpc: Rpc, user: User) -> Message:
        """A request that keeps the rules, in which every id is of something that the user has made."""
        message = minimal(rpc.request)
        COMPLETED.get(rpc.name, nothing)(message)
        SENT.get(rpc.name, nothing)(message)
        make_unique(message, new_id().hex)
        for path in paths_of(rpc):
            if has_id(message, path) or path in ALSO_NAMED.get(rpc.name, ()):
                put_id(message, path, await self.example(needed_kind(rpc, path), user))
        return settled(message)

    async def create(self, name: str, user: User) -> Message:
        """Create something as the user."""
        rpc = RPCS[name]
        return await self.call(rpc, await self.request(rpc, user), user.metadata)


def needed_kind(rpc: Rpc, path: Path) -> str:
    """What the id at this place of a good request is of."""
    if "InboundMessageAttachment" in rpc.name and path == ("record_id",):
        return WAITING_MESSAGES
    return KIND_NEEDED.get(rpc.name, kind_of(rpc, path)) if path in route_paths(rpc) else kind_of(rpc, path)


# --- the examples


@dataclass(frozen=True, slots=True)
class Example:
    """How one is made. `owned` is true where a permission may reach only one's own records."""

    make: Callable[[World, User], Awaitable[str]]
    owned: bool = True
    # False for what one call uses up: each request gets one of its own.
    lasting: bool = True


def created_by(name: str) -> Callable[[World, User], Awaitable[str]]:
    """Made by the rpc of this name from a request that has only what it must have."""

    async def make(world: World, user: User) -> str:
        return str(cast("Any", await world.create(name, user)).id)

    return make


def shared(name: str) -> Callable[[World, User], Awaitable[str]]:
    """Made in the same way by who may do everything in the user's tenant: it is everybody's there."""
    make = created_by(name)

    async def make_for_all(world: World, user: User) -> str:
        return await make(world, await world.known(f"all of {user.tenant_id}", lambda: world.user(user.tenant_id)))

    return make_for_all


async def uploaded(world: World, user: User) -> str:
    upload: Any = await world.create("CreateUpload", user)
    content = "名称\n示例\n".encode()
    # Complete: each one under way counts as 50 MiB.
    part = GetMessageClass(RPCS["AppendUpload"].request)(id=upload.id, content=content, last=True)
    await world.call(RPCS["AppendUpload"], part, user.metadata)
    return str(upload.id)


def uploading(noun: str, *, complete: bool) -> Callable[[World, User], Awaitable[str]]:
    """A file on its way to a record, or attached to it."""

    async def make(world: World, user: User) -> str:
        begin = RPCS[f"Create{noun}AttachmentUpload"]
        request: Any = await world.request(begin, user)
        request.name, request.size_bytes, request.sha256 = "minutes.txt", 100 - 95 * complete, ""
        upload: Any = await world.call(begin, request, user.metadata)
        append = RPCS[f"Append{noun}AttachmentUpload"]
        values = {"record_id": request.record_id, "id": upload.id, "content": b"12345"}
        await world.call(append, GetMessageClass(append.request)(**values), user.metadata)
        return str(upload.id)

    return make


async def stage(world: World, user: User) -> str:
    request = GetMessageClass(RPCS["GetPipeline"].request)(id=await world.example("pipelines", user))
    pipeline: Any = await world.call(RPCS["GetPipeline"], request, user.metadata)
    return str(pipeline.stages[0].id)


async def subscription(world: World, user: User) -> str:
    rpc = RPCS["CreateLeadReport"]
    report: Any = await world.call(rpc, await world.request(rpc, user), user.metadata)
    return str(report.subscriptions[0].id)


async def qualified(world: World, user: User) -> str:
    lead: Any = await world.create("CreateLead", user)
    for name in ("RecordFollowUp", "QualifyLead"):
        request = await world.request(RPCS[name], user)
        put_id(request, ("id",), lead.id)
        await world.call(RPCS[name], request, user.metadata)
    return str(lead.id)


async def pool(world: World, user: User) -> str:
    """The one that came with the user's tenant."""
    page: Any = await world.call(RPCS["ListPools"], GetMessageClass(RPCS["ListPools"].request)(), user.metadata)
    return str(page.pools[0].id)


async def tenant(world: World, user: User) -> str:
    """The user's own, which is made by the command line."""
    async with world.services["customer"].unit_of_work(user.tenant_id) as work:
        if await find_tenant(work) is None:
            create_tenant(work, slug=f"t{user.tenant_id.hex[-12:]}", display_name="a tenant", sandbox=False)
    return str(user.tenant_id)


async def scored(world: World, user: User) -> str:
    """The account that the scores are of, as those of a tenant are once its orders are known."""
    account_id = UUID(await world.example("accounts", user))
    # The scoring service learns of the account when it is first asked for it.
    request = GetMessageClass(RPCS["GetCreditLimit"].request)(account_id=str(account_id))
    await world.call(RPCS["GetCreditLimit"], request, user.metadata)
    async with world.services["scoring"].unit_of_work(user.tenant_id) as work:
        if await SCORES.find(work, account_id, scope=Scope.ALL) is None:
            put_scores(work, None, AccountScores(account_id))
    return str(account_id)


async def role(world: World, user: User) -> str:
    """One that all services have heard of."""
    id = await shared("CreateRole")(world, user)
    for service in world.services.values():
        async with service.unit_of_work(user.tenant_id) as work:
            project_role(work, id=UUID(id), grants={}, version=1)
    return id


async def held_order(world: World, user: User) -> str:
    """In euros, of an account whose credit limit is in something else."""
    account_id = await EXAMPLES["accounts"].make(world, user)
    limit: Any = await world.request(RPCS["SetCreditLimit"], user)
    put_id(limit, ("account_id",), account_id)
    await world.call(RPCS["SetCreditLimit"], limit, user.metadata)
    order: Any = await world.request(RPCS["CreateOrder"], user)
    put_id(order, ("order", "account_id"), account_id)
    order.order.currency_code = order.order.lines[0].unit_price.currency_code = "EUR"
    draft: Any = await world.call(RPCS["CreateOrder"], order, user.metadata)
    placed: Any = GetMessageClass(RPCS["PlaceOrder"].request)(id=draft.id)
    await world.call(RPCS["PlaceOrder"], placed, user.metadata)
    return str(draft.id)


async def euro_quote(world: World, user: User) -> str:
    quote: Any = await world.request(RPCS["CreateQuote"], user)
    quote.quote.currency_code = "EUR"
    return str(cast("Any", await world.call(RPCS["CreateQuote"], quote, user.metadata)).id)


def policy_of(noun: str) -> Callable[[World, User], Awaitable[str]]:
    """The one in use in the user's tenant, where only one can be."""

    async def make(world: World, user: User) -> str:
        return str((await policy_in_use(world, user, noun)).id)

    return make


async def policy_in_use(world: World, user: User, noun: str) -> Any:
    everybody = await world.known(f"all of {user.tenant_id}", lambda: world.user(user.tenant_id))
    rpc = RPCS[f"List{noun}ApprovalPolicies"]
    page: Any = await world.call(rpc, GetMessageClass(rpc.request)(), everybody.metadata)
    return next(iter(page.approval_policies), None) or await world.create(f"Create{noun}ApprovalPolicy", everybody)


def submitted(noun: str, verb: str) -> Callable[[World, User], Awaitable[str]]:
    """Submitted by the user, and asked of somebody who may do everything in the tenant."""

    async def make(world: World, user: User) -> str:
        everybody = await world.known(f"all of {user.tenant_id}", lambda: world.user(user.tenant_id))
        policy = await policy_in_use(world, user, noun)
        policy.rows[0].steps[0].user_ids[:] = [str(everybody.id)]
        rpc = RPCS[f"Update{noun}ApprovalPolicy"]
        await world.call(rpc, GetMessageClass(rpc.request)(approval_policy=policy), everybody.metadata)
        submit = RPCS[f"Submit{verb}"]
        request = await world.request(submit, user)
        for path in route_paths(submit):
            # Of one record the same is asked for once at a time.
            put_id(request, path, await EXAMPLES[needed_kind(submit, path)].make(world, user))
        return str(cast("Any", await world.call(submit, request, user.metadata)).id)

    return make


async def somebody_else(world: World, user: User) -> str:
    return str((await world.known(f"all of {user.tenant_id}", lambda: world.user(user.tenant_id))).id)


def rule_run(collection: str, noun: str) -> Callable[[World, User], Awaitable[str]]:
    """A run as the service keeps it."""

    async def make(world: World, user: User) -> str:
        service = world.services[RPCS[f"Get{noun}"].owner]
        now = system_now()
        run = AutomationRun(
            id=new_id(),
            rule_id=new_id(),
            event_id=new_id(),
            root_event_id=new_id(),
            record_id=new_id(),
            activator_id=user.id,
            collection=collection,
            rule_etag="v1",
            event="CREATED",
            record_etag="v1",
            state=State.SUCCEEDED,
            create_time=now,
            update_time=now,
        )
        async with service.unit_of_work(user.tenant_id) as work:
            work.insert(automation_runs, RUNS.row_of(run))
        return str(run.id)

    return make


def job_of(collection: str, noun: str) -> Callable[[World, User], Awaitable[str]]:
    """A job of the user, as the service keeps it; it is nobody's turn."""

    async def make(world: World, user: User) -> str:
        service = world.services[RPCS[f"Get{noun}"].owner]
        now = system_now()
        job = Job(
            id=new_id(),
            collection=collection,
            verb="update",
            filter="",
            total_count=1,
            owner_id=user.id,
            create_time=now,
            update_time=now,
        )
        async with service.unit_of_work(user.tenant_id) as work:
            JOB_RESOURCE.create(work, job)
        return str(job.id)

    return make


async def webhook_delivery(world: World, user: User) -> str:
    """One that was skipped, as the service keeps it."""
    endpoint_id, now = await world.example("webhook-endpoints", user), system_now()
    delivery = WebhookDelivery(
        id=new_id(),
        endpoint_id=UUID(endpoint_id),
        event_id=new_id(),
        event_type="account.created",
        collection="accounts",
        record_id=new_id(),
        record_version=1,
        event_time=now,
        create_time=now,
        update_time=now,
        content={"time": now.isoformat()},
        state=DeliveryState.SKIPPED,
    )
    async with world.services["customer"].unit_of_work(user.tenant_id) as work:
        note(work, [delivery])
    return str(delivery.id)


async def duplicate_pair(world: World, user: User) -> str:
    """Of two accounts of the user's, as a scan finds it."""
    ids = [UUID(await EXAMPLES["accounts"].make(world, user)) for _ in range(2)]
    found = Match((Evidence(Reason.SAME_CREDIT_CODE, 100),))
    async with world.services["customer"].unit_of_work(user.tenant_id) as work:
        return str(create_pair(work, (min(ids), max(ids)), found, "").id)


async def held_delivery(world: World, user: User) -> str:
    """One that waits for a person, whose feed is everybody's."""
    id = await shared("CreateFeedDelivery")(world, user)
    customer = world.services["customer"]

    async def is_held() -> bool:
        async with customer.unit_of_work(user.tenant_id) as work:
            return (await FEED_DELIVERIES.get(work, UUID(id))).held_reason is not None

    await eventually(is_held)
    return id


async def sent_delivery(world: World, user: User) -> str:
    """One that waits for a person, and that the user has brought."""
    id = await held_delivery(world, user)
    table = feed_deliveries
    sent = update(table).where(table.c.tenant_id == user.tenant_id, table.c.id == UUID(id)).values(sender_id=user.id)
    await world.services["customer"].service.database.all(user.tenant_id, compile_statement(sent), {})
    return id


async def notified(world: World, user: User) -> str:
    """What the user is told, once it has reached them."""
    record_id = new_id()
    raised = NoticeRaised(
        user_ids=[str(user.id)], kind=Kind.NOTICE_KIND_APPROVAL_WAITING, collection="orders", record_id=str(record_id)
    )
    customer = world.services["customer"]
    await customer.hear(raised, tenant_id=user.tenant_id, aggregate_id=record_id)
    request = GetMessageClass(RPCS["ListNotifications"].request)(filter=f"record_id = {record_id}")
    page: Any = await world.call(RPCS["ListNotifications"], request, user.metadata)
    return str(page.notifications[0].id)


async def waiting_message(world: World, user: User) -> str:
    """One that belongs to no case, and so is nobody's own; files are attached to it until it does."""
    everybody = await world.known(f"all of {user.tenant_id}", lambda: world.user(user.tenant_id))
    request: Any = await world.request(RPCS["CreateInboundMessage"], everybody)
    request.inbound_message.source_id = new_id().hex
    request.inbound_message.from_address = "chen@kunde.example"
    message: Any = await world.call(RPCS["CreateInboundMessage"], request, everybody.metadata)
    return str(message.id)


async def inbound_message(world: World, user: User) -> str:
    """One that belongs to a case of the user's, and so is seen by who sees that."""
    id, assign = await waiting_message(world, user), RPCS["AssignInboundMessage"]
    everybody = await world.known(f"all of {user.tenant_id}", lambda: world.user(user.tenant_id))
    # Of its own: what was done to another case meanwhile does not keep it from taking a message.
    case_id = await created_by("CreateCase")(world, user)
    await world.call(assign, GetMessageClass(assign.request)(id=id, case_id=case_id), everybody.metadata)
    return id


async def telephones(world: World, user: User) -> str:
    """A channel in which the user has an extension."""
    everybody = await world.known(f"all of {user.tenant_id}", lambda: world.user(user.tenant_id))
    request: Any = await world.request(RPCS["CreateChannel"], everybody)
    request.channel.kind = 8
    request.channel.extensions.add(extension="801", user_id=str(user.id))
    return str(cast("Any", await world.call(RPCS["CreateChannel"], request, everybody.metadata)).id)


async def call_of(world: World, user: User) -> str:
    """One that rings at the user's telephone, of a number that nobody has."""
    everybody = await world.known(f"all of {user.tenant_id}", lambda: world.user(user.tenant_id))
    request: Any = await world.request(RPCS["ReceiveCallEvent"], everybody)
    request.event.user_id = str(user.id)
    return str(cast("Any", await world.call(RPCS["ReceiveCallEvent"], request, everybody.metadata)).id)


async def channel(world: World, user: User) -> str:
    """One of mail with a mailbox that sends, once it has a password, which nothing here gives it."""
    everybody = await world.known(f"all of {user.tenant_id}", lambda: world.user(user.tenant_id))
    request: Any = await world.request(RPCS["CreateChannel"], everybody)
    request.channel.addresses[:] = ["service@huaxin.example"]
    made: Any = await world.call(RPCS["CreateChannel"], request, everybody.metadata)
    mailbox = RPCS["CreateMailbox"]
    values = {"channel_id": made.id, "host": "mail.huaxin.example", "login": "service@huaxin.example"}
    box = GetMessageClass(mailbox.response)(smtp_host="mail.huaxin.example", **values)
    await world.call(mailbox, GetMessageClass(mailbox.request)(mailbox=box), everybody.metadata)
    return str(made.id)


async def answered_case(world: World, user: User) -> str:
    """A case of the user's in which somebody has written."""
    id = await inbound_message(world, user)
    message: Any = await world.call(RPCS["GetInboundMessage"], pb_id("GetInboundMessage", id), user.metadata)
    return str(message.case_id)


async def file_of_answered_case(world: World, user: User) -> str:
    record_id = await world.example("answered cases", user)
    begin, append = RPCS["CreateCaseAttachmentUpload"], RPCS["AppendCaseAttachmentUpload"]
    values = {"record_id": record_id, "name": "minutes.txt", "size_bytes": 5}
    upload: Any = await world.call(begin, GetMessageClass(begin.request)(**values), user.metadata)
    part = GetMessageClass(append.request)(record_id=record_id, id=upload.id, content=b"12345")
    await world.call(append, part, user.metadata)
    return str(upload.id)


def pb_id(name: str, id: str) -> Message:
    """A request for one record."""
    return GetMessageClass(RPCS[name].request)(id=id)


async def failed_message(world: World, user: User) -> str:
    """One that nobody has taken for two days."""
    id = UUID(await created_by("CreateOutboundMessage")(world, user))

    async def give_up() -> None:
        async with world.services["service_desk"].unit_of_work(user.tenant_id) as work:
            before = await OUTBOUND_MESSAGES.get(work, id)
            await advance(work, before, before.given_up())

    # The service puts it off meanwhile, since its mailbox has no password.
    await retried(give_up)
    return str(id)


async def preference(world: World, user: User) -> str:
    """The user's own, once they have chosen something."""
    rpc = RPCS["UpdateNotificationPreference"]
    return str(cast("Any", await world.call(rpc, await world.request(rpc, user), user.metadata)).id)


async def account_member(world: World, user: User) -> str:
    """The user in the team of an account of their own, where nobody else has made them a member."""
    request: Any = await world.request(RPCS["CreateAccountMember"], user)
    request.account_member.account_id = await EXAMPLES["accounts"].make(world, user)
    return str(cast("Any", await world.call(RPCS["CreateAccountMember"], request, user.metadata)).id)


async def product_on_sale(world: World, user: User) -> str:
    """With a version that began long ago, made by who may do everything in the user's tenant."""
    everybody = await world.known(f"all of {user.tenant_id}", lambda: world.user(user.tenant_id))
    create, add = RPCS["CreateProduct"], RPCS["AddProductVersion"]
    request: Any = await world.request(create, everybody)
    request.product.kind = 1
    product: Any = await world.call(create, request, everybody.metadata)
    version: Any = GetMessageClass(add.request)(id=product.id)
    rate: Any = await world.request(RPCS["CreateTaxRate"], everybody)
    rate.tax_rate.valid_from_date = "2020-01-01"
    await world.call(RPCS["CreateTaxRate"], rate, everybody.metadata)
    version.version.valid_from_date, version.version.unit = "2020-01-01", "台"
    version.version.tax_class = rate.tax_rate.tax_class
    await world.call(add, version, everybody.metadata)
    activate = RPCS["ActivateProduct"]
    await world.call(activate, GetMessageClass(activate.request)(id=product.id), everybody.metadata)
    return str(product.id)


async def price(world: World, user: User) -> str:
    """Of a product that has no other in the book."""
    everybody = await world.known(f"all of {user.tenant_id}", lambda: world.user(user.tenant_id))
    request = await world.request(RPCS["CreatePrice"], everybody)
    put_id(request, ("price", "product_id"), await product_on_sale(world, user))
    return str(cast("Any", await world.call(RPCS["CreatePrice"], request, everybody.metadata)).id)


async def themselves(world: World, user: User) -> str:
    return str(user.id)


def created() -> dict[str, Example]:
    """Of every collection whose records are made by an rpc of their own; those with an owner are somebody's."""
    makers = [rpc for rpc in RPCS.values() if rpc.bindings and rpc.name == f"Create{rpc.response.name}"]
    routes = {rpc.bindings[0].template.removeprefix("/v1/"): rpc for rpc in makers}
    return {
        route: Example(created_by(rpc.name))
        if "owner_id" in rpc.response.fields_by_name
        else Example(shared(rpc.name), owned=False)
        for route, rpc in routes.items()
        if ":" not in route
    }


def source_value(noun: str) -> Callable[[World, User], Awaitable[str]]:
    """What a source says of a record that the user has made."""

    async def make(world: World, user: User) -> str:
        told: Any = await world.create(f"State{noun}SourceValues", user)
        return str(told.source_values[0].id)

    return make


_EXAMPLES: Mapping[str, Example] = {
    **created(),
    # These have no owner and belong to that of their account.
    "account-members": Example(account_member),
    "bundles": Example(shared("CreateProduct"), owned=False),
    "calls": Example(call_of),
    "cases": Example(created_by("CreateCase")),
    "channels": Example(channel, owned=False),
    "accounts in no segment": Example(created_by("CreateAccount"), lasting=False),
    "failed outbound messages": Example(failed_message, lasting=False),
    "inbound-messages": Example(inbound_message),
    WAITING_MESSAGES: Example(waiting_message, owned=False),
    "answered cases": Example(answered_case),
    "files of answered cases": Example(file_of_answered_case),
    "outbound-messages": Example(created_by("CreateOutboundMessage")),
    "waiting outbound messages": Example(created_by("CreateOutboundMessage"), lasting=False),
    **{
        f"{CUSTOM_FIELDS}/{collection}": Example(shared(f"Create{name}CustomField"), owned=False)
        for collection, name in WITH_CUSTOM_FIELDS.items()
    },
    **{
        f"{POLICIES}/{collection}": Example(policy_of(noun), owned=False)
        for collection, (noun, _) in WITH_APPROVALS.items()
    },
    **{
        f"{APPROVALS}/{collection}": Example(submitted(noun, verb))
        for collection, (noun, verb) in WITH_APPROVALS.items()
    },
    "colleagues": Example(somebody_else, owned=False),
    # They have no owner and belong to those of their accounts.
    "duplicate-pairs": Example(duplicate_pair),
    "feed-deliveries": Example(held_delivery, owned=False),
    "held feed deliveries": Example(held_delivery, owned=False, lasting=False),
    "sent feed deliveries": Example(sent_delivery, owned=False, lasting=False),
    **{
        f"{AUTOMATION_RULES}/{collection}": Example(shared(f"Create{noun}AutomationRule"), owned=False)
        for collection, noun in WITH_AUTOMATION.items()
    },
    **{
        f"{AUTOMATION_RUNS}/{collection}": Example(rule_run(collection, noun), owned=False)
        for collection, noun in WITH_AUTOMATION.items()
    },
    **{
        f"{JOBS}/{collection}": Example(job_of(collection, noun), lasting=False)
        for collection, noun in WITH_JOBS.items()
    },
    **{
        f"{REPORTS}/{collection}": Example(created_by(f"Create{noun}Report"))
        for collection, noun in WITH_REPORTS.items()
    },
    # Who may not read a record reads nothing of what is proposed for it. Deciding uses it up.
    **{
        f"{PROPOSALS}/{collection}": Example(created_by(f"Create{noun}ChangeProposal"), lasting=False)
        for collection, noun in WITH_PROPOSALS.items()
    },
    "euro quotes": Example(euro_quote, lasting=False),
    "held orders": Example(held_order, lasting=False),
    "interactions": Example(created_by("CreateInteraction")),
    "notification-preferences": Example(preference),
    "notifications": Example(notified),
    "payments": Example(created_by("RecordPayment")),
    # Users as others refer to them: whoever works for the tenant is known to all who do.
    "people": Example(themselves, owned=False),
    "credit-limits": Example(created_by("SetCreditLimit")),
    "pools": Example(pool, owned=False),
    "prices": Example(price, owned=False),
    # Others take them off sale.
    "products": Example(product_on_sale, owned=False, lasting=False),
    "qualified leads": Example(qualified, lasting=False),
    "report subscriptions": Example(subscription),
    "roles": Example(role, owned=False),
    "scores": Example(scored),
    "stages": Example(stage, owned=False),
    "telephones": Example(telephones, owned=False),
    "tenants": Example(tenant, owned=False),
    "uploads": Example(uploaded, lasting=False),
    # They are seen by who reads all records that they are about.
    "webhook-deliveries": Example(webhook_delivery, owned=False),
}


EXAMPLES: Mapping[str, Example] = {
    **_EXAMPLES,
    # Who may not read a record reads nothing of what is said about it.
    **{
        f"{collection}/{COMMENTS}": Example(created_by(f"Create{noun}Comment"), owned=_EXAMPLES[collection].owned)
        for collection, noun in DISCUSSED.items()
    },
    # Who may not read a record reads none of its tasks. Ending one uses it up.
    **{
        f"{TASKS}/{collection}": Example(
            created_by(f"Create{noun}Task"), owned=_EXAMPLES[collection].owned, lasting=False
        )
        for collection, noun in WITH_TASKS.items()
    },
    # Who may not read a record reads nothing of what sources say of it. Values are used up by being withdrawn.
    **{
        f"{collection}/{SOURCE_VALUES}": Example(source_value(noun), owned=_EXAMPLES[collection].owned, lasting=False)
        for collection, noun in WITH_SOURCES.items()
    },
    # Who may not read a record reads none of its files; uploads are one's own. Files are used up by being deleted.
    **{
        f"{collection}/{kind}": Example(
            uploading(noun, complete=kind == ATTACHMENTS),
            owned=_EXAMPLES[collection].owned and collection != "inbound-messages",
            lasting=False,
        )
        for collection, noun in WITH_FILES.items()
        for kind in (ATTACHMENTS, ATTACHMENT_UPLOADS)
    },
}


def is_sent_each_day(request: Any) -> None:
    """To whom, `ALSO_NAMED` says."""
    schedule = request.report.subscriptions.add().schedule
    schedule.every, schedule.at = 1, "08:30"


# Reports have more to hide when they are sent to somebody.
SENT: Mapping[str, Callable[[Any], None]] = {
    f"{verb}{noun}Report": is_sent_each_day for noun in WITH_REPORTS.values() for verb in ("Create", "Update")
}
# Ids that the contract does not require; without them others in the same request would mean nothing.
ALSO_NAMED: Mapping[str, tuple[Path, ...]] = {
    "CreateOpportunity": (("opportunity", "pipeline_id"),),
    "CreateOrder": (("order", "account_id"),),
    "CreatePriceBook": (("price_book", "account_id"),),
    "CreateQuote": (("quote", "account_id"),),
    **dict.fromkeys(SENT, (("report", "subscriptions", "user_ids"),)),
}
# Rpcs that are good only for records in a certain state.
KIND_NEEDED: Mapping[str, str] = {
    "AddProductVersion": "bundles",
    "CancelOutboundMessage": "waiting outbound messages",
    "ConvertLead": "qualified leads",
    "RejectFeedDelivery": "held feed deliveries",
    "ReleaseFeedDelivery": "held feed deliveries",
    "RetryOutboundMessage": "failed outbound messages",
    "SubmitReleaseOrder": "held orders",
    "SubmitSubmitQuote": "euro quotes",
    "WithdrawFeedDelivery": "sent feed deliveries",
}
