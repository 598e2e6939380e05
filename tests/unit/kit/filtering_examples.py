"""A schema with a field of every type, and strategies for records and filters over it."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from crm_kit.collation.keys import collation_key
from crm_kit.custom_fields.definitions import Definitions
from crm_kit.custom_fields.listing import fields_beyond, schema_of
from crm_kit.custom_fields.model import CustomField, Label, Option
from crm_kit.custom_fields.model import FieldType as CustomType
from crm_kit.filtering.parsing import OPERATORS
from crm_kit.filtering.schema import (
    FilterField,
    FilterSchema,
    enum_field,
    money_fields,
    team_field,
    user_field,
)
from crm_kit.filtering.tree import (
    LISTS,
    And,
    Comparison,
    Field,
    FieldType,
    Filter,
    Has,
    IsNull,
    Not,
    OneOf,
    Operator,
    Or,
    Present,
)
from crm_kit.filtering.words import FilterContext
from hypothesis import strategies as st
from sqlalchemy import (
    ARRAY,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

things = Table(
    "things",
    MetaData(),
    Column("tenant_id", Uuid, primary_key=True),
    Column("id", Uuid, primary_key=True),
    Column("name", String(200)),
    Column("size", Integer),
    Column("share", Numeric),
    Column("chance", Double),
    Column("total_amount", Numeric),
    Column("total_currency_code", Text),
    Column("due_date", Date),
    Column("create_time", DateTime(timezone=True)),
    Column("urgent", Boolean),
    Column("status", Text),
    Column("owner_id", Uuid),
    Column("team_id", Uuid),
    Column("tags", ARRAY(Text)),
    Column("roles", ARRAY(String(20))),
    Column("watcher_ids", ARRAY(Uuid)),
    Column("custom", JSONB, nullable=False),
    Column("brand", Text),
    Column("brand_key", Text),
    Column("makers", ARRAY(Text)),
    Column("makers_key", ARRAY(Text)),
    Column("code", Text, nullable=False),
    Column("rank", Integer, nullable=False),
    Column("labels", ARRAY(Text), nullable=False),
)
OPTIONS = ("small", "LARGE", "x y")
TENANT = UUID(int=1)


def custom_field(key: str, type: CustomType) -> CustomField:
    offered = OPTIONS if "SELECT" in type else ()
    options = tuple(Option(option, Label(en=option)) for option in offered)
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return CustomField(TENANT, "things", key, type, Label(en=key), 1, now, now, options=options, unique=key == "number")


CUSTOM_FIELDS = {
    key: custom_field(key, type)
    for key, type in (
        ("note", CustomType.TEXT),
        ("number", CustomType.TEXT),
        ("fleet", CustomType.NUMBER),
        ("since", CustomType.DATE),
        ("vip", CustomType.BOOL),
        ("grade", CustomType.SINGLE_SELECT),
        ("marks", CustomType.MULTI_SELECT),
        ("parent", CustomType.REFERENCE),
    )
}
OWN = FilterSchema(
    {
        "name": FilterField(FieldType.TEXT, things.c.name),
        "size": FilterField(FieldType.INTEGER, things.c.size),
        "share": FilterField(FieldType.NUMBER, things.c.share),
        "chance": FilterField(FieldType.NUMBER, things.c.chance),
        **money_fields("total", things.c.total_amount, things.c.total_currency_code),
        "due_date": FilterField(FieldType.DATE, things.c.due_date),
        "create_time": FilterField(FieldType.INSTANT, things.c.create_time),
        "urgent": FilterField(FieldType.BOOL, things.c.urgent),
        "status": enum_field(things.c.status, ["OPEN", "ON_HOLD", "CLOSED"], prefix="STATUS_"),
        "owner_id": user_field(things.c.owner_id),
        "team_id": team_field(things.c.team_id),
        "tags": FilterField(FieldType.TEXT_LIST, things.c.tags),
        "roles": enum_field(
            things.c.roles, ["ROLE_PROSPECT", "ROLE_PARTNER"], prefix="ROLE_", type=FieldType.TEXT_LIST
        ),
        "watcher_ids": user_field(things.c.watcher_ids, type=FieldType.UUID_LIST),
        "brand": FilterField(FieldType.TEXT, things.c.brand_key, collated=True),
        "makers": FilterField(FieldType.TEXT_LIST, things.c.makers_key, collated=True),
        "code": FilterField(FieldType.TEXT, things.c.code),
        "rank": FilterField(FieldType.INTEGER, things.c.rank),
        "labels": FilterField(FieldType.TEXT_LIST, things.c.labels),
    },
    fields_beyond(things, "things"),
)
SCHEMA = schema_of(OWN, Definitions("things", 1, CUSTOM_FIELDS))

# Few values, so that rows and filters often meet; letters whose case folding is not plain; LIKE's own characters.
TEXTS = st.text(st.sampled_from("aAbB%_\\\"' ßẞΣσςİıéÉｅø\u0301客户Яが"), max_size=4)
DECIMALS = st.sampled_from([Decimal(text) for text in ("-1.5", "0", "0.1", "0.10", "1", "1.5", "12345678901234.5")])
DATES = st.dates(date(2026, 1, 1), date(2026, 1, 4))
INSTANTS = st.integers(0, 3).map(lambda later: datetime(2026, 1, 1, microsecond=later, tzinfo=UTC))
IDS = st.sampled_from([UUID(int=number << 120 | 7 << 76 | 2 << 62) for number in range(3)])
VALUES: dict[FieldType, st.SearchStrategy[Any]] = {
    FieldType.TEXT: TEXTS,
    FieldType.NUMBER: DECIMALS,
    FieldType.MONEY: DECIMALS,
    FieldType.INTEGER: st.integers(-1, 3),
    FieldType.DATE: DATES,
    FieldType.INSTANT: INSTANTS,
    FieldType.BOOL: st.booleans(),
    FieldType.UUID: IDS,
    FieldType.TEXT_LIST: TEXTS,
    FieldType.UUID_LIST: IDS,
}


def or_null(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


RECORDS = st.fixed_dictionaries(
    {
        "name": or_null(TEXTS),
        "size": or_null(VALUES[FieldType.INTEGER]),
        "share": or_null(DECIMALS),
        "chance": or_null(st.sampled_from([0.0, 0.1, 1.0, 1.5])),
        "total_amount": or_null(DECIMALS),
        "total_currency_code": or_null(TEXTS),
        "due_date": or_null(DATES),
        "create_time": or_null(INSTANTS),
        "urgent": or_null(st.booleans()),
        "status": or_null(st.sampled_from(["OPEN", "ON_HOLD", "CLOSED"])),
        "owner_id": or_null(IDS),
        "team_id": or_null(IDS),
        "tags": or_null(st.lists(TEXTS, max_size=3)),
        "roles": or_null(st.lists(st.sampled_from(["ROLE_PROSPECT", "ROLE_PARTNER"]), max_size=2)),
        "watcher_ids": or_null(st.lists(IDS, max_size=2)),
        "brand": or_null(TEXTS),
        "makers": or_null(st.lists(TEXTS, max_size=3)),
        "code": TEXTS,
        "rank": VALUES[FieldType.INTEGER],
        "labels": st.lists(TEXTS, max_size=3),
        "custom": st.fixed_dictionaries(
            {},
            optional={
                "note": TEXTS.filter(bool),
                "number": TEXTS.filter(bool),
                "fleet": st.sampled_from(["-1.5", "0", "0.1", "1", "12345678901234.5"]),
                "since": DATES.map(str),
                "vip": st.booleans(),
                "grade": st.sampled_from(OPTIONS),
                "marks": st.lists(st.sampled_from(OPTIONS), min_size=1, max_size=2, unique=True),
                "parent": IDS.map(str),
            },
        ),
    }
)


def stored(row: dict[str, Any]) -> dict[str, Any]:
    """A row with the keys of its texts, as the write path has them beside the texts."""
    brand, makers = row["brand"], row["makers"]
    return row | {
        "brand_key": None if brand is None else collation_key(brand),
        "makers_key": None if makers is None else list(map(collation_key, makers)),
    }


def record_of(row: dict[str, Any]) -> dict[str, Any]:
    """A row as the record that filters see."""
    return row | {
        "total": row["total_amount"],
        "total.amount": row["total_amount"],
        "total.currency_code": row["total_currency_code"],
    }


@st.composite
def leaves(draw: st.DrawFn) -> Filter:
    path = draw(st.sampled_from(sorted(SCHEMA.fields)))
    declared = SCHEMA.fields[path]
    field = Field(path, declared.type, declared.collated)
    values = st.sampled_from(sorted(set(declared.values.values()))) if declared.values else VALUES[declared.type]
    operator = draw(st.sampled_from([*OPERATORS[declared.type], ":*", "null"]))
    match operator:
        case ":*":
            return Present(field)
        case "null":
            return IsNull(field)
        case "IN":
            return OneOf(field, tuple(draw(st.lists(values, min_size=1, max_size=3))))
        case ":":
            return Has(field, draw(values))
    return Comparison(field, Operator(operator), draw(values))


# Words for fields whose values in `RECORDS` lie on the edges of what the words mean in `CONTEXTS`.
PERIODS = [f"{which}_{unit}" for which in ("last", "this", "next") for unit in ("week", "month", "quarter", "year")]
WORDS = st.sampled_from(["now", "now-1d", "now+36h", "now-2w", "yesterday", "today", "tomorrow", *PERIODS])
FORMS = st.sampled_from([*(f"{{}} {operator} {{}}" for operator in Operator), "{} IN ({})", "{} IN ({}, this_week)"])
WORD_TERMS = st.one_of(
    st.builds(str.format, FORMS, st.sampled_from(["due_date", "create_time"]), WORDS),
    st.sampled_from(["owner_id = me", "owner_id != me", "owner_id IN (me)", "watcher_ids:me"]),
    st.sampled_from(["team_id = my_team", "team_id != my_team", "team_id IN (my_team)"]),
)
CONTEXTS = st.builds(
    FilterContext,
    now=st.timedeltas(timedelta(0), timedelta(days=15)).map(datetime(2025, 12, 25, tzinfo=UTC).__add__),
    zone=st.sampled_from(["UTC", "Asia/Shanghai", "America/New_York"]),
    me=IDS,
    team_ids=st.lists(IDS, max_size=2).map(tuple),
)
CONTEXT = FilterContext(datetime(2026, 1, 2, tzinfo=UTC), "UTC", me=UUID(int=1), team_ids=(UUID(int=2), UUID(int=3)))


def branches(inner: st.SearchStrategy[Filter]) -> st.SearchStrategy[Filter]:
    several = st.lists(inner, min_size=2, max_size=4).map(tuple)
    return st.one_of(inner.map(Not), several.map(And), several.map(Or))


TREES = st.recursive(leaves(), branches, max_leaves=12)


def text_of(tree: Filter) -> str:
    """A filter in words, with every parenthesis there can be."""
    match tree:
        case Comparison(field, operator, value):
            return f"{field.path} {operator} {literal(field, value)}"
        case OneOf(field, values):
            return f"{field.path} IN ({', '.join(literal(field, value) for value in values)})"
        case Has(field, value):
            return f"{field.path}:{literal(field, value)}"
        case Present(field):
            return f"{field.path}:*"
        case IsNull(field):
            return f"{field.path} = null"
        case Not(term):
            return f"NOT ({text_of(term)})"
        case And(terms):
            return " AND ".join(f"({text_of(term)})" for term in terms)
        case Or(terms):
            return " OR ".join(f"({text_of(term)})" for term in terms)


def literal(field: Field, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if field.type in LISTS or isinstance(value, str):
        return '"' + str(value).replace("\\", r"\\").replace('"', r"\"") + '"'
    return str(value)
