"""Guesses at passwords: how they are counted, and when the next one may be made.

By login and network: whoever fails elsewhere keeps nobody from signing in. And by login over all networks from which
nobody has signed in with it lately, so that a botnet has no more guesses for being large; people where they always are
notice nothing of that.
"""

from dataclasses import dataclass
from typing import Any

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader, ReadSession, UnitOfWork
from crm_kit.errors import ResourceExhausted
from sqlalchemy import Select, bindparam, case, select
from sqlalchemy.dialects.postgresql import insert

from crm_customer.directory.tokens.model import ANYWHERE, FORGOTTEN_AFTER, HERE, Failures, Patience, login_key
from crm_customer.directory.tokens.tables import sign_in_failures, sign_in_networks


@dataclass(frozen=True, slots=True)
class Origin:
    """What guesses at a login from an address are counted by: there, and anywhere."""

    here: bytes
    anywhere: bytes


def origin_of(tenant: str, login: str, client_address: str) -> Origin:
    return Origin(login_key(tenant, login, client_address), login_key(tenant, login))


async def check_may_try(reader: ReadSession, origin: Origin, *, known: bool) -> None:
    """Raise ResourceExhausted while whoever tries the login from there has to wait."""
    waits = [await _wait(reader, origin.here, HERE)]
    if not known:
        waits.append(await _wait(reader, origin.anywhere, ANYWHERE))
    if (seconds := max(waits)) > 0:
        raise ResourceExhausted("too many failures to sign in; wait before you try again", retry_after_seconds=seconds)


async def is_known(reader: Reader, origin: Origin) -> bool:
    """Whether somebody has signed in with the login from there lately."""
    return await reader.one(known_network(), login_key=origin.here) is not None


def note_failure(work: UnitOfWork, origin: Origin, *, known: bool) -> None:
    """Gather one more failure."""
    for key in [origin.here] if known else [origin.here, origin.anywhere]:
        work.execute(count_failure(), login_key=key, last_time=work.now, forgotten=work.now - FORGOTTEN_AFTER)


def note_success(work: UnitOfWork, origin: Origin) -> None:
    """Gather that failures there are forgotten and the network is known. What was tried elsewhere still counts."""
    work.delete(sign_in_failures, login_key=origin.here)
    work.execute(put_network(), login_key=origin.here, last_time=work.now)


async def _wait(reader: ReadSession, key: bytes, patience: Patience) -> float:
    row = await reader.one(failures_of_login(), login_key=key)
    return Failures(row["count"], row["last_time"]).wait(reader.now, patience).total_seconds() if row else 0.0


@statement
def failures_of_login() -> Select[Any]:
    return select(sign_in_failures.c["count"], sign_in_failures.c.last_time).where(
        sign_in_failures.c.tenant_id == bindparam("tenant_id"),
        sign_in_failures.c.login_key == bindparam("login_key"),
    )


@statement
def known_network() -> Select[Any]:
    return select(sign_in_networks.c.last_time).where(
        sign_in_networks.c.tenant_id == bindparam("tenant_id"),
        sign_in_networks.c.login_key == bindparam("login_key"),
    )


@statement
def count_failure() -> Any:
    names = ("tenant_id", "login_key", "last_time")
    fresh = insert(sign_in_failures).values({name: bindparam(name) for name in names} | {"count": 1})
    known = sign_in_failures.c
    return fresh.on_conflict_do_update(
        index_elements=[known.tenant_id, known.login_key],
        set_={
            "count": case((known.last_time < bindparam("forgotten"), 1), else_=known.count + 1),
            "last_time": fresh.excluded.last_time,
        },
    )


@statement
def put_network() -> Any:
    names = ("tenant_id", "login_key", "last_time")
    fresh = insert(sign_in_networks).values({name: bindparam(name) for name in names})
    known = sign_in_networks.c
    return fresh.on_conflict_do_update(
        index_elements=[known.tenant_id, known.login_key], set_={"last_time": fresh.excluded.last_time}
    )
