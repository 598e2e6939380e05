"""An account: a company or a person we have, want or had business with."""

import enum
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_kit.errors import FailedPrecondition, FieldViolation, InvalidArgument
from crm_kit.etags import check_etag

from crm_customer.records.accounts.credit_code import parse_credit_code


class Kind(enum.StrEnum):
    ORGANIZATION = "ORGANIZATION"
    PERSON = "PERSON"


class Role(enum.StrEnum):
    PROSPECT = "PROSPECT"
    CUSTOMER = "CUSTOMER"
    PARTNER = "PARTNER"
    SUPPLIER = "SUPPLIER"
    COMPETITOR = "COMPETITOR"


class Status(enum.StrEnum):
    POTENTIAL = "POTENTIAL"
    ACTIVE = "ACTIVE"
    DORMANT = "DORMANT"
    LOST = "LOST"
    ARCHIVED = "ARCHIVED"
    MERGED = "MERGED"


# Business may pause and resume at any point; what is put away or merged is left alone.
IN_BUSINESS = (Status.POTENTIAL, Status.ACTIVE, Status.DORMANT, Status.LOST)


@dataclass(frozen=True, slots=True)
class Address:
    """A place; `kind` is REGISTERED, OFFICE, DELIVERY, BILLING, HOME or empty, `region_code` ISO 3166."""

    kind: str = ""
    region_code: str = ""
    city: str = ""
    line: str = ""
    postal_code: str = ""


@dataclass(frozen=True, slots=True)
class ExternalId:
    """The key of the account in another system."""

    source: str
    value: str


@dataclass(frozen=True, slots=True)
class Consent:
    """Whether we may approach them over a channel, since when (None until it is `dated`), and how we know."""

    channel: str
    granted: bool
    change_time: datetime | None
    evidence: str = ""


def dated(values: dict[str, Any], now: datetime) -> dict[str, Any]:
    """Values of fields in which consents that came without an instant are of now."""
    if "consents" not in values:
        return values
    consents = (replace(each, change_time=each.change_time or now) for each in values["consents"])
    return values | {"consents": tuple(consents)}


@dataclass(frozen=True, slots=True)
class CompetitorProfile:
    """What we know of a rival."""

    main_products: str = ""
    strengths: str = ""
    weaknesses: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """Fields as in the contract; text that is not known is None. Phones are E.164, the region is ISO 3166-2."""

    id: UUID
    kind: Kind
    display_name: str
    create_time: datetime
    update_time: datetime
    version: int = 1
    status: Status = Status.POTENTIAL
    # What an archived account had, so that it can be restored.
    status_before_archive: Status | None = None
    legal_name: str | None = None
    short_name: str | None = None
    credit_code: str | None = None
    roles: tuple[Role, ...] = ()
    industry: str | None = None
    employee_count: int = 0
    region_code: str | None = None
    addresses: tuple[Address, ...] = ()
    phone_numbers: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    website: str | None = None
    source: str | None = None
    parent_id: UUID | None = None
    owner_id: UUID | None = None
    owner_team_id: UUID | None = None
    external_ids: tuple[ExternalId, ...] = ()
    tags: tuple[str, ...] = ()
    preferences: str | None = None
    taboos: str | None = None
    consents: tuple[Consent, ...] = ()
    competitor_profile: CompetitorProfile | None = None
    merged_into_id: UUID | None = None
    # Filled from events, never by a caller.
    last_contact_time: datetime | None = field(default=None, compare=False)
    value_tier: str | None = field(default=None, compare=False)

    def update(self, values: dict[str, Any], *, now: datetime, etag: str = "") -> "Account":
        """With new values of some fields. FailedPrecondition when it is archived or merged."""
        check_etag(etag, self.version)
        self._check_status("changed", *IN_BUSINESS)
        after = replace(self, **dated(values, now))
        if after == self:
            return self
        after = after._changed(now)
        after.check()
        return after

    def change_status(self, status: Status, *, now: datetime, etag: str = "") -> "Account":
        """Move to another status of business. FailedPrecondition when it is archived or merged."""
        check_etag(etag, self.version)
        self._check_status("moved to another status", *IN_BUSINESS)
        return self if status == self.status else replace(self, status=status)._changed(now)

    def archive(self, *, now: datetime, etag: str = "") -> "Account":
        """Put it away; it keeps its history."""
        check_etag(etag, self.version)
        self._check_status("archived", *IN_BUSINESS)
        return replace(self, status=Status.ARCHIVED, status_before_archive=self.status)._changed(now)

    def restore(self, *, now: datetime, etag: str = "") -> "Account":
        """Bring it back with the status it had."""
        check_etag(etag, self.version)
        self._check_status("restored", Status.ARCHIVED)
        before = self.status_before_archive or Status.POTENTIAL
        return replace(self, status=before, status_before_archive=None)._changed(now)

    def check(self) -> None:
        """Rules over more than one field; those of single fields are in the contract."""
        violations = []
        if self.credit_code:
            parse_credit_code(self.credit_code, field="account.credit_code")
        if self.parent_id == self.id:
            violations.append(FieldViolation("account.parent_id", "cycle", "an account is not below itself"))
        for name, keys in (
            ("external_ids", [each.source for each in self.external_ids]),
            ("consents", [each.channel for each in self.consents]),
        ):
            for index, key in enumerate(keys):
                if key in keys[:index]:
                    violations.append(FieldViolation(f"account.{name}[{index}]", "unique", f"{key} is there twice"))
        if violations:
            raise InvalidArgument(
                "; ".join(f"{each.field}: {each.detail}" for each in violations), violations=violations
            )

    def _check_status(self, verb: str, *legal: Status) -> None:
        if self.status not in legal:
            raise FailedPrecondition(
                f"an account that is {self.status} cannot be {verb}; it must be {' or '.join(legal)}"
            )

    def _changed(self, now: datetime) -> "Account":
        return replace(self, version=self.version + 1, update_time=max(now, self.update_time))
