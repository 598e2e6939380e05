"""The tables of the comparison as ORM classes."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, ForeignKey, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    type_annotation_map = {  # noqa: RUF012 -- as SQLAlchemy documents it
        datetime: DateTime(timezone=True),
        str: Text,
        list[str]: ARRAY(Text),
        list[dict[str, Any]]: JSONB,
        dict[str, Any]: JSONB,
    }


class UserRow(Base):
    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    display_name: Mapped[str]


class TeamRow(Base):
    __tablename__ = "teams"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    display_name: Mapped[str]


class AccountRow(Base):
    __tablename__ = "accounts"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    display_name: Mapped[str]
    status: Mapped[str]
    legal_name: Mapped[str | None]
    short_name: Mapped[str | None]
    credit_code: Mapped[str | None]
    roles: Mapped[list[str]]
    industry: Mapped[str | None]
    employee_count: Mapped[int | None]
    region_code: Mapped[str | None]
    addresses: Mapped[list[dict[str, Any]]]
    phone_numbers: Mapped[list[str]]
    emails: Mapped[list[str]]
    website: Mapped[str | None]
    source: Mapped[str | None]
    parent_id: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id"))
    owner_id: Mapped[UUID | None] = mapped_column(ForeignKey("users.id"))
    owner_team_id: Mapped[UUID | None] = mapped_column(ForeignKey("teams.id"))
    external_ids: Mapped[list[dict[str, Any]]]
    tags: Mapped[list[str]]
    preferences: Mapped[str | None]
    taboos: Mapped[str | None]
    consents: Mapped[list[dict[str, Any]]]
    competitor_profile: Mapped[dict[str, Any] | None]
    merged_into_id: Mapped[UUID | None] = mapped_column(ForeignKey("accounts.id"))
    last_contact_time: Mapped[datetime | None]
    value_tier: Mapped[str | None]
    custom: Mapped[dict[str, Any]]
    version: Mapped[int]
    create_time: Mapped[datetime]
    update_time: Mapped[datetime]
    parent: Mapped["AccountRow | None"] = relationship(
        foreign_keys=parent_id, remote_side="AccountRow.id", lazy="selectin"
    )
    owner: Mapped[UserRow | None] = relationship(lazy="joined")
    owner_team: Mapped[TeamRow | None] = relationship(lazy="joined")
    merged_into: Mapped["AccountRow | None"] = relationship(
        foreign_keys=merged_into_id, remote_side="AccountRow.id", lazy="selectin"
    )


class OutboxRow(Base):
    __tablename__ = "outbox"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    subject: Mapped[str]
    aggregate_id: Mapped[UUID]
    event: Mapped[bytes]
    create_time: Mapped[datetime]
