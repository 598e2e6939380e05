"""Values written beside their record, in the statement that writes it, only where they change."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, Select, Text, all_, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import ARRAY, insert

from crm_kit.custom_fields.definitions import Definitions, catalogue_of
from crm_kit.custom_fields.values import CustomValues, tokens_of
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import Conflict, CrmError
from crm_kit.filtering.tokens import end_of, first_of
from crm_kit.plumbing import custom_field_versions, custom_values


def put_values(work: UnitOfWork, collection: str, record_id: UUID, before: CustomValues, after: CustomValues) -> None:
    """Gather what changes in the values of a record.

    They were checked by the definitions that the unit goes by; where those have changed meanwhile the unit fails as
    Conflict, and is tried again with the new ones.
    """
    if before == after:
        return
    known: Definitions = work.known[Definitions, collection]
    require_version(work, collection, known)
    put_rows(work, known, record_id, before, after)


def put_rows(work: UnitOfWork, known: Definitions, record_id: UUID, before: CustomValues, after: CustomValues) -> None:
    """Gather the rows of the values that change."""
    changed = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    new = {key: tokens_of(known.fields[key], after[key]) for key in changed if key in after}
    replace_rows(work, known, record_id, new, gone=[key for key in changed if key in before])


def replace_rows(
    work: UnitOfWork, known: Definitions, record_id: UUID, new: Mapping[str, list[str]], *, gone: list[str]
) -> None:
    """Gather the rows of `new` tokens by key, in place of all others of the keys that are `gone`."""
    tokens = [token for several in new.values() for token in several]
    # The one statement takes what the other leaves alone: of statements sent together none sees what another does.
    if gone:
        bounds: dict[str, Any] = {"firsts": [first_of(key) for key in gone], "ends": [end_of(key) for key in gone]}
        work.execute(delete_rows(), record_id=record_id, kept=tokens, **bounds)
    if tokens:
        unique = [known.fields[key].unique for key, several in new.items() for _ in several]
        work.execute(insert_rows(), collection=known.collection, record_id=record_id, tokens=tokens, uniques=unique)


def require_version(work: UnitOfWork, collection: str, known: Definitions) -> None:
    """Gather that the definitions are still those, and stay so until this unit has ended; once is enough."""
    if any(each.statement is same_version() and each.values["collection"] == collection for each in work.pending):
        return
    work.execute(same_version(), unmet=_outdated(work), collection=collection, expected_version=known.version)


def _outdated(work: UnitOfWork) -> Callable[[], CrmError]:
    def outdated() -> CrmError:
        catalogue_of(work.database).forget(work.tenant_id)
        return Conflict("custom: the custom fields were changed at the same time; try again")

    return outdated


@statement
def same_version() -> Select[Any]:
    versions = custom_field_versions.c
    return (
        select(versions.version)
        .where(
            versions.tenant_id == bindparam("tenant_id"),
            versions.collection == bindparam("collection"),
            versions.version == bindparam("expected_version"),
        )
        .with_for_update(read=True)
    )


@statement
def insert_rows() -> Any:
    arrays = (bindparam("tokens", type_=ARRAY(Text)), bindparam("uniques", type_=ARRAY(Boolean)))
    row = func.unnest(*arrays).table_valued("token", "unique", name="row").render_derived()
    ours = [bindparam(name, type_=custom_values.c[name].type) for name in ("tenant_id", "collection", "record_id")]
    names = ["tenant_id", "collection", "record_id", "token", "unique"]
    fresh = insert(custom_values).from_select(names, select(*ours, row.c.token, row.c.unique))
    return fresh.on_conflict_do_nothing(index_elements=list(custom_values.primary_key))


@statement
def delete_rows() -> Any:
    """Of each key all tokens but those that are kept."""
    arrays = (bindparam(name, type_=ARRAY(Text)) for name in ("firsts", "ends"))
    key = func.unnest(*arrays).table_valued("first", "end", name="key").render_derived()
    value = custom_values.c
    return delete(custom_values).where(
        value.tenant_id == bindparam("tenant_id"),
        value.record_id == bindparam("record_id"),
        value.token >= key.c.first,
        value.token < key.c.end,
        value.token != all_(bindparam("kept", type_=ARRAY(Text))),
    )
