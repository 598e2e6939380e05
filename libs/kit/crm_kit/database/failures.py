"""What the database could not do, as what it means to a caller."""

from collections.abc import Mapping
from types import TracebackType

import asyncpg

from crm_kit.database.tables import Violation
from crm_kit.errors import (
    AlreadyExists,
    Conflict,
    CrmError,
    FieldViolation,
    InvalidArgument,
    Unavailable,
    invalid_field,
)

UNMET = "CRM01"
"""SQLSTATE raised by `crm_require` when a statement did not touch the rows it had to."""
UNAVAILABLE = (
    OSError,
    asyncpg.InterfaceError,
    # What a connection says whose server was killed in the middle of an answer.
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    # Too many connections, no memory, or no room on the disk.
    asyncpg.InsufficientResourcesError,
    # A file that could not be read or written.
    asyncpg.PostgresSystemError,
    # A replica that took over just now, or will.
    asyncpg.ReadOnlySQLTransactionError,
    # A database that is not there, or no more.
    asyncpg.InvalidCatalogNameError,
    # A password that was changed, here or there first.
    asyncpg.InvalidAuthorizationSpecificationError,
)


class Reported:
    """Says what the database could not do in the block, as what it means to a caller."""

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if error is not None and (meaning := meaning_of(error)) is not None:
            raise meaning from error


REPORTED = Reported()


def meaning_of(error: BaseException) -> CrmError | None:
    """What an error of the database means to a caller; None where it is not the database's."""
    if isinstance(error, asyncpg.CharacterNotInRepertoireError | asyncpg.UntranslatableCharacterError):
        # The one in text, the other in JSON.
        return InvalidArgument("text must not contain the character U+0000")
    if isinstance(error, TimeoutError):
        return Unavailable("the database is too busy to answer in time")
    return Unavailable("the database does not answer") if isinstance(error, UNAVAILABLE) else None


class UnmetError(Exception):
    """A statement touched no row that it had to; `position` is its index."""

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


class Translated:
    """Turns the database's errors in the block into ours; what is not foreseen stays as it is and ends as INTERNAL."""

    __slots__ = ("_violations",)

    def __init__(self, violations: Mapping[str, Violation]) -> None:
        self._violations = violations

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if error is None:
            return
        if isinstance(error, asyncpg.PostgresError) and error.sqlstate == UNMET:
            raise UnmetError(int(str(error.args[0]))) from None
        if (meaning := self._meaning_of(error)) is not None:
            raise meaning from error

    def _meaning_of(self, error: BaseException) -> CrmError | None:
        if isinstance(error, asyncpg.IntegrityConstraintViolationError):
            violation = self._violations.get(error.constraint_name or "")
            return None if violation is None else refused(violation)
        if isinstance(error, asyncpg.SerializationError | asyncpg.DeadlockDetectedError):
            return Conflict("others changed the same thing at the same time; try again")
        if isinstance(error, asyncpg.QueryCanceledError):
            return Unavailable("the database took too long")
        return meaning_of(error)


def refused(violation: Violation) -> CrmError:
    """The error that a caller gets for a refused constraint."""
    if violation.code == "exists":
        taken = [FieldViolation(violation.field, "taken", violation.detail)]
        return AlreadyExists(f"{violation.field}: {violation.detail}", reason=violation.reason, violations=taken)
    if violation.code == "conflict":
        return Conflict(f"{violation.field}: {violation.detail}; try again")
    return invalid_field(violation.field, "reference", violation.detail, reason=violation.reason)
