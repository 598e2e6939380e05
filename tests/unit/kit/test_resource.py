"""A declaration that fits its contract, entity and table converts; one that does not says what to do, at import."""

from collections.abc import Callable
from dataclasses import dataclass, field, make_dataclass, replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import pytest
from crm.customer.v1 import accounts_pb2 as pb
from crm.customer.v1 import events_pb2 as events
from crm_customer.records.account_kinds import Kind, ValueTier
from crm_customer.records.accounts.model import (
    Account,
    Address,
    AddressKind,
    CompetitorProfile,
    Consent,
    ConsentState,
    ExternalId,
    Role,
    Status,
)
from crm_customer.records.accounts.resource import ACCOUNTS, MEMBER_IDS
from crm_customer.records.accounts.tables import accounts
from crm_kit.database.connections import json_bytes
from crm_kit.errors import FailedPrecondition, InvalidArgument
from crm_kit.filtering.schema import FilterField
from crm_kit.filtering.tree import FieldType
from crm_kit.resource.actions import Action, Attempt, tried
from crm_kit.resource.codecs import build
from crm_kit.resource.updates import changes
from crm_kit.resource.values import DeclarationError
from crm_kit.resource.writing import Resource
from google.protobuf.field_mask_pb2 import FieldMask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, Index, MetaData, Table, Text, UniqueConstraint

from tests.unit.attempts import attempt_at

NOW = datetime(2026, 1, 31, 8, tzinfo=UTC)
ID = UUID("0197c0de-0000-7000-8000-000000000000")
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
MAYBE = st.none() | TEXT
INSTANTS = st.datetimes(
    datetime.fromisoformat("1970-01-02"), datetime.fromisoformat("2100-01-01"), timezones=st.just(UTC)
)
ACCOUNT = st.builds(
    Account,
    id=st.uuids(),
    kind=st.sampled_from(Kind),
    display_name=TEXT,
    create_time=INSTANTS,
    update_time=INSTANTS,
    version=st.integers(1, 1000),
    status=st.sampled_from(Status),
    status_before_archive=st.none() | st.sampled_from(Status),
    legal_name=MAYBE,
    roles=st.lists(st.sampled_from(Role), unique=True).map(tuple),
    employee_count=st.none() | st.integers(0, 1 << 30),
    addresses=st.lists(
        st.builds(Address, st.none() | st.sampled_from(AddressKind), MAYBE, MAYBE, MAYBE, MAYBE), max_size=3
    ).map(tuple),
    phone_numbers=st.lists(TEXT, max_size=3).map(tuple),
    parent_id=st.none() | st.uuids(),
    owner_id=st.none() | st.uuids(),
    external_ids=st.lists(st.builds(ExternalId, TEXT, TEXT), max_size=3).map(tuple),
    consents=st.lists(
        st.builds(Consent, TEXT, st.sampled_from(ConsentState), st.none() | INSTANTS, MAYBE), max_size=3
    ).map(tuple),
    competitor_profile=st.none() | st.builds(CompetitorProfile, MAYBE, MAYBE, MAYBE),
    last_contact_time=st.none() | INSTANTS,
    value_tier=st.none() | st.sampled_from(ValueTier),
)


class Row(dict[str, Any]):
    """A row as the driver gives it: what is JSON is read from its text."""


def row_of(account: Account) -> Row:
    """The row that an account is read back from."""

    read_beside = ("last_contact_time", "value_tier", "team_member_ids")
    kept = ACCOUNTS.row_of(account) | {name: getattr(account, name) for name in read_beside}
    plain = {
        name: orjson.loads(json_bytes(value)[1:]) if ACCOUNTS.is_json(name) and value is not None else value
        for name, value in kept.items()
    }
    return Row({column.name: plain[column.name] for column in ACCOUNTS.columns})


@given(ACCOUNT)
def test_what_is_stored_is_read_back(account: Account) -> None:
    assert ACCOUNTS.entity_from(row_of(account)) == account


@given(ACCOUNT)
def test_a_row_shows_what_its_entity_shows(account: Account) -> None:
    assert ACCOUNTS.message_from(row_of(account)) == ACCOUNTS.message_of(account)


@given(ACCOUNT)
def test_an_answer_that_is_sent_back_changes_nothing(account: Account) -> None:
    shown = ACCOUNTS.message_of(account)
    update = pb.UpdateAccountRequest(account=shown)
    assert changes(ACCOUNTS, account, update) == {}
    update.update_mask.paths.extend(name for name in ACCOUNTS.contract if name not in {"id", "etag"})
    # Custom fields are compared by their definitions.
    assert changes(ACCOUNTS, account, update) == {"custom": account.custom}


@given(ACCOUNT, ACCOUNT)
def test_history_tells_a_state_apart_from_the_one_before(before: Account, after: Account) -> None:

    names = ACCOUNTS.changed_fields(before, after)
    kept = {name: orjson.loads(json_bytes(getattr(before, name))[1:]) for name in names}
    undone = replace(after, **{name: ACCOUNTS.from_json(name, value) for name, value in kept.items()})
    assert ACCOUNTS.changed_fields(before, undone) == []


def refused(account: Account, message: pb.Account, *paths: str) -> list[tuple[str, str]]:
    update = pb.UpdateAccountRequest(account=message, update_mask=FieldMask(paths=paths))
    with pytest.raises(InvalidArgument) as told:
        changes(ACCOUNTS, account, update)
    return [(each.field, each.rule) for each in told.value.violations]


PLAIN = Account(id=ID, kind=Kind.ORGANIZATION, display_name="华信", create_time=NOW, update_time=NOW)


def test_what_only_a_verb_changes_is_refused_by_name() -> None:
    lost = pb.Account(id=str(ID), status=pb.Account.STATUS_LOST)
    assert refused(PLAIN, lost, "status") == [("account.status", "changed_by")]
    assert refused(PLAIN, lost) == [("account.status", "changed_by")]
    assert refused(replace(PLAIN, status=Status.LOST), pb.Account(id=str(ID)), "status") == [
        ("account.status", "changed_by")
    ]


def test_a_create_takes_of_what_a_verb_changes_only_what_a_new_record_has() -> None:
    new = pb.Account(display_name="华信", kind=pb.Account.KIND_PERSON, status=pb.Account.STATUS_POTENTIAL)
    assert "status" not in ACCOUNTS.values_of(new)
    new.status = pb.Account.STATUS_ARCHIVED
    with pytest.raises(InvalidArgument, match=r"account\.status: .*ArchiveAccount"):
        ACCOUNTS.values_of(new)


def test_what_cannot_be_empty_cannot_be_cleared() -> None:
    assert refused(PLAIN, pb.Account(id=str(ID)), "kind") == [("account.kind", "required")]


def test_a_wrong_part_is_told_by_its_whole_path() -> None:
    message = pb.Account(id=str(ID), consents=[pb.Consent(channel="SMS", state=pb.Consent.STATE_GRANTED)] * 2)
    message.consents[1].change_time.seconds = 1 << 50
    assert [field for field, _ in refused(PLAIN, message, "consents")] == ["account.consents[1].change_time"]


class DriversUUID(UUID):
    """The database driver gives UUIDs of its own type."""


def test_a_message_is_built_from_values_of_entities_whoever_made_them() -> None:
    built = build(
        pb.Account, id=DriversUUID(str(ID)), status=Status.LOST, create_time=NOW, parent_id=None, tags=("a", "b")
    )
    assert (built.id, built.status, built.parent_id, list(built.tags)) == (
        str(ID),
        pb.Account.STATUS_LOST,
        "",
        ["a", "b"],
    )
    assert built.create_time.ToDatetime(UTC) == NOW


# --- declarations that do not fit


def declared(**parts: Any) -> Resource[Any, Any]:
    given: dict[str, Any] = {
        "entity": Account,
        "table": accounts,
        "message": pb.Account,
        "created": events.AccountCreated,
        "updated": events.AccountUpdated,
        "beside": {"last_contact_time", "value_tier", "value_tier_version"},
        "unversioned": ACCOUNTS.without_history - ACCOUNTS.beside,
        "computed": {"team_member_ids": MEMBER_IDS},
        "kept_filters": ACCOUNTS.kept_filters,
        "verbs": ACCOUNTS.tries,
    }
    return Resource("account", **given | parts)


def copied(change: Callable[[Table], None]) -> Table:
    table = accounts.to_metadata(MetaData())
    change(table)
    return table


def without(name: str) -> Table:
    """The table without a column."""
    metadata = MetaData()
    columns = [column._copy() for column in accounts.c if column.name != name]
    table = Table("accounts", metadata, *columns)
    for each in ("create_time", "update_time", "display_name", "last_contact_time"):
        Index(f"{each}_index", table.c.tenant_id, table.c[each], table.c.id)
    return table


@dataclass(frozen=True, slots=True)
class WithPager(Account):
    pager_number: str | None = None


@dataclass(frozen=True, slots=True)
class WrongTime(Account):
    update_time: str = ""  # type: ignore[assignment]


Poorer = make_dataclass(
    "Poorer",
    [
        (name, hint, field(default=None))
        for name, hint in Account.__annotations__.items()
        if name not in {"industry", "status_before_archive"}
    ],
    frozen=True,
)


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"entity": WithPager}, r"account\.pager_number: WithPager has it; add the column to accounts"),
        ({"entity": Poorer}, r"account\.industry: the contract has it; add it to Poorer"),
        ({"entity": WrongTime}, r"account\.update_time: the contract's type must be string|update_time"),
        ({"table": without("industry")}, r"account\.industry: Account has it; add the column"),
        (
            {"table": copied(lambda table: table.append_column(Column("pager_number", Text)))},
            r"account\.pager_number: accounts has it; add it to Account, or to `beside`",
        ),
        (
            {"table": copied(lambda table: table.indexes.clear())},
            r"account\.display_name: lists are ordered by it; add an index",
        ),
        (
            {"table": without("legal_name_key")},
            r"account\.legal_name: .*add the column legal_name_key .*mark it exact",
        ),
        ({"beside": {"last_contact_time", "value_tier"}}, r"account\.value_tier_version: accounts has it"),
        ({"unversioned": {"pager_number"}}, r"account\.pager_number: it is unversioned; make it a field of Account"),
        ({"untold": {"pager_number"}}, r"account\.pager_number: events leave it out; the contract has no such field"),
        (
            {"nested": {"addresses.city": FilterField(FieldType.TEXT_LIST)}},
            r"account\.addresses\.city: lists filter by it; mark it `filter`",
        ),
        ({"verbs": {}}, r"account: the verb \w+ is not in `verbs`"),
        ({"created": events.ContactCreated}, r"ContactCreated carries no Account"),
    ],
)
def test_a_forgotten_step_is_an_error_at_import_that_names_field_and_remedy(parts: dict[str, Any], told: str) -> None:
    with pytest.raises(DeclarationError, match=told):
        declared(**parts)


def test_what_is_unversioned_is_written_with_the_row_and_is_no_change() -> None:
    resource = declared(unversioned={*ACCOUNTS.without_history, "industry"} - ACCOUNTS.beside)
    after = replace(PLAIN, industry="power")
    assert resource.row_of(after)["industry"] == "power"
    assert resource.changed_fields(PLAIN, after) == []
    assert resource.changed_fields(PLAIN, replace(after, website="https://huaxin.example")) == ["website"]


def test_what_is_unique_can_be_ordered_by() -> None:
    def unique(table: Table) -> None:
        table.indexes -= {index for index in table.indexes if "display_name_key" in index.columns}
        table.append_constraint(UniqueConstraint("tenant_id", "display_name_key"))

    assert "display_name" in declared(table=copied(unique)).listing.orders


async def test_the_rule_of_a_verb_can_be_given_when_a_service_is_put_together() -> None:
    async def never(account: Account, attempt: Attempt) -> None:
        raise FailedPrecondition("not here")

    async def archiving(resource: Resource[Account, pb.Account]) -> Action:
        return await tried(resource.verbs["ArchiveAccount"], resource.tries["ArchiveAccount"], PLAIN, attempt_at(NOW))

    assert (await archiving(ACCOUNTS.trying(ArchiveAccount=never))).detail == "not here"
    assert not (await archiving(ACCOUNTS)).reason
    with pytest.raises(DeclarationError, match="has BurnAccount"):
        ACCOUNTS.trying(BurnAccount=never)


def test_a_declaration_that_fits_is_taken() -> None:
    assert declared().collection == "accounts"
