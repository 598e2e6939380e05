"""Declarations of resources: what does not fit its contract is refused by name, with the remedy."""

from dataclasses import dataclass, field, make_dataclass, replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any
from uuid import UUID

import pytest
from crm.customer.v1 import events_pb2 as events
from crm.customer.v1 import roles_pb2, tenants_pb2
from crm_customer.directory.roles.model import Role
from crm_kit.database.tables import tenant_table, unique, versioned_columns
from crm_kit.errors import InvalidArgument
from crm_kit.ids import new_id
from crm_kit.resource.values import DeclarationError
from crm_kit.resource.writing import Resource
from crm_scoring.scores.resource import SCORES
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from sqlalchemy import Boolean, Column, DateTime, Index, Integer, Interval, MetaData, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.schema import SchemaItem

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Tenant:
    id: UUID
    slug: str
    display_name: str
    create_time: datetime
    update_time: datetime
    version: int = 1
    sandbox: bool = False
    active: bool = True
    clock_offset: timedelta = timedelta(0)
    time_zone: str = "Asia/Shanghai"
    default_region: str = "CN"
    change_proposal_days: int = 3
    unmasked_fields: tuple[str, ...] = ()
    current_time: datetime | None = field(default=None, compare=False)

    def at(self, now: datetime) -> "Tenant":
        return replace(self, current_time=now)


def tenant_columns() -> Table:
    return tenant_table(
        "tenants",
        MetaData(),
        Column("id", Uuid, nullable=False),
        *(Column(name, Text, nullable=False) for name in ("slug", "display_name", "time_zone", "default_region")),
        *(Column(name, Boolean, nullable=False) for name in ("sandbox", "active")),
        Column("clock_offset", Interval, nullable=False),
        Column("change_proposal_days", Integer, nullable=False),
        Column("unmasked_fields", ARRAY(Text), nullable=False),
        *versioned_columns(),
    )


def declared(**changes: Any) -> Resource[Tenant, tenants_pb2.Tenant]:
    values: dict[str, Any] = {
        "entity": Tenant,
        "table": tenant_columns(),
        "message": tenants_pb2.Tenant,
        "created": events.TenantCreated,
        "at": Tenant.at,
        "momentary": {"current_time"},
        "default_order": "id",
        "verbs": {"AdvanceTestClock": lambda tenant, _: tenant},
    }
    return Resource("tenant", **values | changes)


@pytest.fixture
def tenant() -> Tenant:
    return Tenant(new_id(), "huaxin", "Huaxin", NOW, NOW, sandbox=True, clock_offset=DAY)


def test_a_momentary_field_is_shown_and_neither_stored_nor_part_of_a_version(tenant: Tenant) -> None:
    tenants = declared()
    assert "current_time" not in tenants.row_of(tenant)
    assert "current_time" not in [column.name for column in tenants.columns]
    assert tenants.changed_fields(tenant, tenant.at(NOW)) == []
    assert tenants.message_of(tenant.at(NOW)).current_time.ToDatetime(UTC) == NOW


@pytest.mark.parametrize("changes", [{"at": None}, {"momentary": {"slug", "current_time"}}])
def test_what_is_momentary_is_filled_in_and_has_no_column(changes: dict[str, Any]) -> None:
    with pytest.raises(DeclarationError, match=r"tenant\.\w+: it is momentary"):
        declared(**changes)


def test_what_is_not_momentary_has_a_column() -> None:
    with pytest.raises(DeclarationError, match=r"tenant\.current_time: .* add the column to tenants"):
        declared(momentary=())


def test_a_duration_goes_to_the_message_the_row_and_back(tenant: Tenant) -> None:
    tenants = declared()
    message = tenants.message_of(tenant)
    assert message.clock_offset.ToTimedelta() == DAY
    row = tenants.row_of(tenant)
    assert row["clock_offset"] == DAY
    assert tenants.entity_from({column.name: row[column.name] for column in tenants.columns}) == tenant
    assert tenants.readings["clock_offset"].read(message) == DAY


def test_a_duration_is_a_duration_in_the_contract_too() -> None:
    other = make_dataclass("Other", [("slug", timedelta)], bases=(Tenant,), frozen=True, kw_only=True)
    with pytest.raises(DeclarationError, match=r"tenant\.slug: the contract's type must be google\.protobuf\.Duration"):
        declared(entity=other)


# --- what only verbs change


@dataclass(frozen=True, slots=True)
class User:
    id: UUID
    display_name: str
    login: str
    create_time: datetime
    update_time: datetime
    version: int = 1
    active: bool = True
    team_id: UUID | None = None
    role_ids: tuple[UUID, ...] = ()
    password_time: datetime | None = None


def users_of(contract: DescriptorPool) -> Resource[Any, Any]:
    """Users, declared by another contract than ours."""
    table = tenant_table(
        "users",
        MetaData(),
        *(Column(name, Uuid) for name in ("id", "team_id")),
        *(Column(name, Text, nullable=False) for name in ("display_name", "display_name_key", "login", "login_key")),
        Column("active", Boolean, nullable=False),
        Column("role_ids", ARRAY(Uuid), nullable=False),
        Column("password_time", DateTime(timezone=True)),
        *versioned_columns(),
    )
    for name in ("create_time", "update_time", "display_name_key"):
        Index(f"users_{name}_index", table.c.tenant_id, table.c[name], table.c.id)
    message, created = (
        GetMessageClass(contract.FindMessageTypeByName(f"crm.customer.v1.{name}")) for name in ("User", "UserCreated")
    )
    verbs = dict.fromkeys(("DeactivateUser", "ActivateUser", "SetPassword"), lambda user, _: user)
    return Resource("user", entity=User, table=table, message=message, created=created, verbs=verbs)


def contract_with(*, optional: bool) -> DescriptorPool:
    """The contract, where users say of `active` that it was given, or cannot say it."""
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString(files("crm_protos").joinpath("image.binpb").read_bytes()).file:
        if file.name == "crm/customer/v1/users.proto":
            user = next(each for each in file.message_type if each.name == "User")
            active = next(each for each in user.field if each.name == "active")
            if not optional:
                active.ClearField("proto3_optional")
                active.ClearField("oneof_index")
                del user.oneof_decl[:]
        pool.AddSerializedFile(file.SerializeToString())
    return pool


def test_a_create_need_not_give_what_only_verbs_change() -> None:
    users = users_of(contract_with(optional=True))
    assert "active" not in users.values_of(users.message_type(login="x"))
    with pytest.raises(InvalidArgument, match=r"user\.active: .* DeactivateUser and ActivateUser"):
        users.values_of(users.message_type(login="x", active=False))


def test_a_default_that_the_contract_cannot_leave_out_is_refused() -> None:
    with pytest.raises(DeclarationError, match=r"user\.active: .*make it `optional`"):
        users_of(contract_with(optional=False))


# --- order


def roles_of(*keys: SchemaItem) -> Resource[Any, Any]:
    table = tenant_table(
        "roles",
        MetaData(),
        Column("id", Uuid, nullable=False),
        Column("display_name", Text, nullable=False),
        Column("display_name_key", Text, nullable=False),
        Column("built_in", Boolean, nullable=False),
        Column("grants", JSONB, nullable=False),
        Column("hidden_fields", ARRAY(Text), nullable=False, server_default="{}"),
        *versioned_columns(),
        *keys,
    )
    for name in ("create_time", "update_time"):
        Index(f"roles_{name}_index", table.c.tenant_id, table.c[name], table.c.id)
    message, created = roles_pb2.Role, events.RoleCreated
    return Resource("role", entity=Role, table=table, message=message, created=created)


def test_a_unique_key_serves_the_order_by_its_field() -> None:
    key = unique("roles_display_name_key_key", "display_name_key", reason="ALREADY_EXISTS", field="x", detail="x")
    assert "display_name" in roles_of(key).listing.orders


def test_lists_are_ordered_by_what_the_contract_lets_them_be_ordered_by() -> None:
    with pytest.raises(DeclarationError, match=r"tenant.create_time desc: .*known: id; mark it `order`"):
        declared(default_order="create_time desc")


def test_an_order_that_nothing_serves_is_refused() -> None:
    with pytest.raises(
        DeclarationError, match=r"role\.display_name: .*add an index on tenant_id, display_name_key, id"
    ):
        roles_of()


@pytest.mark.parametrize(
    ("within", "told"),
    [
        ({}, "account_scores.rfm.band: lists go by it; add its column to `within`"),
        (SCORES.within | {"rfm.reasons": SCORES.table.c.rfm}, "rfm.reasons: lists go by it; say in the contract what"),
    ],
)
def test_what_lists_go_by_within_an_object_has_a_column(within: dict[str, Any], told: str) -> None:
    with pytest.raises(DeclarationError, match=told):
        Resource(
            "account_scores",
            entity=SCORES.entity,
            table=SCORES.table,
            message=SCORES.message_type,
            created=SCORES.created,
            computed=SCORES.computed,
            within=within,
            default_order="id",
        )
