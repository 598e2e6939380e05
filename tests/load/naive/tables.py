"""The tables of the comparison as ORM classes."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    type_annotation_map = {  # noqa: RUF012 -- as SQLAlchemy documents it
        datetime: DateTime(timezone=True),
        str: Text,
        list[str]: ARRAY(Text),
        list[dict[str, Any]]: JSONB,
        dict[str, Any]: JSONB,
    }


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
    employee_count: Mapped[int]
    region_code: Mapped[str | None]
    addresses: Mapped[list[dict[str, Any]]]
    phone_numbers: Mapped[list[str]]
    emails: Mapped[list[str]]
    website: Mapped[str | None]
    source: Mapped[str | None]
    parent_id: Mapped[UUID | None]
    owner_id: Mapped[UUID | None]
    owner_team_id: Mapped[UUID | None]
    external_ids: Mapped[list[dict[str, Any]]]
    tags: Mapped[list[str]]
    preferences: Mapped[str | None]
    taboos: Mapped[str | None]
    consents: Mapped[list[dict[str, Any]]]
    competitor_profile: Mapped[dict[str, Any] | None]
    merged_into_id: Mapped[UUID | None]
    last_contact_time: Mapped[datetime | None]
    value_tier: Mapped[str | None]
    version: Mapped[int]
    create_time: Mapped[datetime]
    update_time: Mapped[datetime]


class OutboxRow(Base):
    __tablename__ = "outbox"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    subject: Mapped[str]
    aggregate_id: Mapped[UUID]
    event: Mapped[bytes]
    create_time: Mapped[datetime]
