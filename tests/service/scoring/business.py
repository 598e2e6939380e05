"""What customers do, told to the scoring service as the other services would tell it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from crm.customer.v1 import accounts_pb2
from crm.customer.v1 import events_pb2 as customer
from crm.event.v1 import event_pb2
from crm.sales.v1 import events_pb2 as sales
from crm.sales.v1 import orders_pb2, payments_pb2
from crm.service_desk.v1 import cases_pb2
from crm.service_desk.v1 import events_pb2 as service_desk
from crm.type.v1 import money_pb2
from crm_kit.clock import system_now
from crm_kit.directory.projection import project_role, project_tenant, project_user
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from google.protobuf.message import Message

from tests.service.running import Running, User

Event = event_pb2.Event


def money(amount: object, currency_code: str = "CNY") -> money_pb2.Money:
    return money_pb2.Money(amount=str(amount), currency_code=currency_code)


def event(
    tenant_id: UUID, payload: Message, kind: str, id: UUID, *, version: int = 1, at: datetime | None = None
) -> Event:
    """An event as it comes from the broker."""
    made = Event(
        id=str(new_id()),
        tenant_id=str(tenant_id),
        actor_id=str(new_id()),
        aggregate_type=kind,
        aggregate_id=str(id),
        aggregate_version=version,
    )
    made.occur_time.FromDatetime(at or system_now())
    made.payload.Pack(payload)
    return made


@dataclass(frozen=True)
class Order:
    """An order in the making; each line is a net amount, below zero for a return, and there is no tax."""

    tenant_id: UUID
    account_id: UUID
    lines: Sequence[object]
    id: UUID
    currency_code: str = "CNY"
    due_in_days: int = 30

    def message(
        self, at: datetime, state: "orders_pb2.Order.State.ValueType" = orders_pb2.Order.STATE_RELEASED
    ) -> orders_pb2.Order:
        code = self.currency_code
        total = sum(Decimal(str(line)) for line in self.lines)
        return orders_pb2.Order(
            id=str(self.id),
            account_id=str(self.account_id),
            state=state,
            currency_code=code,
            lines=[
                orders_pb2.OrderLine(product="x", quantity="1", net_amount=money(line, code)) for line in self.lines
            ],
            net_amount=money(total, code),
            gross_amount=money(total, code),
            due_date=(at.astimezone(UTC).date() + timedelta(days=self.due_in_days)).isoformat(),
        )

    def released(self, version: int = 2, at: datetime | None = None) -> Event:
        """It was placed within its credit; a later version is a release from hold."""
        at = at or system_now()
        order = self.message(at)
        payload = sales.OrderPlaced(order=order) if version == 2 else sales.OrderReleased(order=order)
        return event(self.tenant_id, payload, "order", self.id, version=version, at=at)

    def held(self, version: int = 2) -> Event:
        payload = sales.OrderPlaced(order=self.message(system_now(), orders_pb2.Order.STATE_ON_HOLD))
        return event(self.tenant_id, payload, "order", self.id, version=version)

    def cancelled(self, version: int = 3) -> Event:
        payload = sales.OrderCancelled(order=self.message(system_now()))
        return event(self.tenant_id, payload, "order", self.id, version=version)

    def paid(self, amount: object, at: datetime | None = None, *, due_date: str = "") -> Event:
        id = new_id()
        payment = payments_pb2.Payment(
            id=str(id),
            account_id=str(self.account_id),
            amount=money(amount, self.currency_code),
            unallocated_amount=money(0, self.currency_code),
        )
        payment.receive_time.FromDatetime(at or system_now())
        payment.allocations.add(order_id=str(self.id), amount=money(amount, self.currency_code), due_date=due_date)
        return event(self.tenant_id, sales.PaymentReceived(payment=payment), "payment", id, at=at)

    def paid_later(self, received: Event, amount: object, at: datetime | None = None) -> Event:
        """Some of what was unallocated of a payment is allocated to it."""
        payment = payment_of(received)
        left = Decimal(payment.unallocated_amount.amount) - Decimal(str(amount))
        payment.unallocated_amount.amount = str(max(left, Decimal(0)))
        more = payments_pb2.PaymentAllocation(order_id=str(self.id), amount=money(amount, self.currency_code))
        payment.allocations.append(more)
        payload = sales.PaymentAllocated(payment=payment, allocations=[more])
        return event(self.tenant_id, payload, "payment", UUID(payment.id), version=2, at=at)


def paid_in_advance(tenant_id: UUID, account_id: UUID, amount: object) -> Event:
    """A payment that has paid no order yet."""
    id, paid = new_id(), money(amount)
    payment = payments_pb2.Payment(id=str(id), account_id=str(account_id), amount=paid, unallocated_amount=paid)
    payment.receive_time.FromDatetime(system_now())
    return event(tenant_id, sales.PaymentReceived(payment=payment), "payment", id)


def payment_of(told: Event) -> payments_pb2.Payment:
    """The payment as the event tells it."""
    for payload in (sales.PaymentReceived(), sales.PaymentAllocated()):
        if told.payload.Unpack(payload):
            return payload.payment
    raise AssertionError(told)


def reversed_payment(told: Event) -> Event:
    """What was told of is reversed."""
    payment = payment_of(told)
    payment.unallocated_amount.amount = "0"
    payload = sales.PaymentReversed(payment=payment)
    version = told.aggregate_version + 1
    return event(UUID(told.tenant_id), payload, "payment", UUID(told.aggregate_id), version=version)


def order(
    tenant_id: UUID, account_id: UUID, *lines: object, currency_code: str = "CNY", due_in_days: int = 30
) -> Order:
    return Order(tenant_id, account_id, lines, new_id(), currency_code, due_in_days)


def case_event(
    tenant_id: UUID,
    account_id: UUID | None,
    *,
    id: UUID,
    closed: bool = False,
    version: int = 1,
    complaint: bool = False,
) -> Event:
    """A case was opened or closed."""
    kind = cases_pb2.Case.KIND_COMPLAINT if complaint else cases_pb2.Case.KIND_INQUIRY
    case = cases_pb2.Case(id=str(id), kind=kind, account_id=str(account_id or ""))
    case.create_time.FromDatetime(system_now())
    payload = service_desk.CaseClosed(case=case) if closed else service_desk.CaseCreated(case=case)
    return event(tenant_id, payload, "case", id, version=version)


def account_event(
    tenant_id: UUID, id: UUID, *, owner: User | None = None, name: str = "华信电力", version: int = 1
) -> Event:
    """An account came to be, or to be another's."""
    account = accounts_pb2.Account(
        id=str(id),
        display_name=name,
        owner_id=str(owner.id) if owner else "",
        owner_team_id=str(owner.team_id or "") if owner else "",
    )
    payload: Message = customer.AccountCreated(account=account)
    if version > 1:
        payload = (customer.AccountOwnerChanged if owner else customer.AccountUpdated)(account=account)
    return event(tenant_id, payload, "account", id, version=version)


async def tell(scoring: Running, *events: Event) -> None:
    """Let events have their effect, one after the other."""
    for each in events:
        await scoring.service.consumers.apply(each)


async def new_account(scoring: Running, tenant_id: UUID, owner: User | None = None, name: str = "华信电力") -> UUID:
    """An account that the scoring service knows."""
    id = new_id()
    await tell(scoring, account_event(tenant_id, id, owner=owner, name=name))
    return id


async def set_clock(scoring: Running, tenant_id: UUID, ahead: timedelta) -> None:
    """Move the test clock of a sandbox forward."""
    async with scoring.unit_of_work(tenant_id) as work:
        project_tenant(
            work,
            id=tenant_id,
            slug=f"t{tenant_id.hex[-12:]}",
            active=True,
            sandbox=True,
            clock_offset=ahead,
            # The clock goes forward only, so what is later is newer.
            version=2 + ahead // timedelta(minutes=1),
        )
    scoring.service.directory.forget(tenant_id)


async def also_known_to(customer: Running, user: User) -> None:
    """The same user in the customer service's own directory, where they may do everything."""
    role_id = new_id()
    async with customer.unit_of_work(user.tenant_id) as work:
        project_tenant(
            work,
            id=user.tenant_id,
            slug=f"t{user.tenant_id.hex[-12:]}",
            active=True,
            sandbox=True,
            clock_offset=timedelta(0),
            version=1,
        )
        project_role(work, id=role_id, grants={"*": Scope.ALL}, version=1)
        project_user(
            work,
            id=user.id,
            login=f"{user.id.hex[-12:]}@example.test",
            display_name="somebody",
            active=True,
            team_id=None,
            role_ids=[role_id],
            version=1,
        )
