"""A channel: by what messages come, our own addresses in it, and whose messages open cases."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from crm_kit.errors import invalid_field, wrong_state
from crm_kit.mail.model import address_of

from crm_service_desk.addresses.model import MAX_DIGITS, is_number
from crm_service_desk.classification import CaseKind
from crm_service_desk.classification import Channel as CaseChannel


class ChannelState(StrEnum):
    """Whether it is in use."""

    ACTIVE = "ACTIVE"
    ARCHIVED = "ARCHIVED"


class ChannelKind(StrEnum):
    """By what messages come."""

    MAIL = "MAIL"
    SMS = "SMS"
    WECHAT = "WECHAT"
    WECOM = "WECOM"
    CHAT = "CHAT"
    LETTER = "LETTER"
    OTHER = "OTHER"
    TELEPHONE = "TELEPHONE"


class CaseOpening(StrEnum):
    """Whose message opens a case when it belongs to none."""

    NOBODY = "NOBODY"
    KNOWN_SENDERS = "KNOWN_SENDERS"
    EVERYBODY = "EVERYBODY"


# Under which networks let text messages leave instead of a number: ours come back under it, too.
SENDER_NAME = re.compile(r"(?=.*[a-z])[a-z0-9][a-z0-9 ._-]{0,10}")
# How a case that a message opened has reached us.
CASE_CHANNELS: Mapping[ChannelKind, CaseChannel] = {
    ChannelKind.MAIL: CaseChannel.EMAIL,
    ChannelKind.WECHAT: CaseChannel.WECHAT,
    ChannelKind.WECOM: CaseChannel.WECHAT,
    ChannelKind.CHAT: CaseChannel.CHAT,
}


@dataclass(frozen=True, slots=True)
class Extension:
    """Whose telephone an extension is."""

    extension: str
    user_id: UUID


@dataclass(frozen=True, slots=True)
class Channel:
    """Fields as in the contract; addresses are kept as all are compared.

    Methods return the changed one; a wrong state raises FailedPrecondition.
    """

    id: UUID
    display_name: str
    kind: ChannelKind
    create_time: datetime
    update_time: datetime
    version: int = 1
    state: ChannelState = ChannelState.ACTIVE
    addresses: tuple[str, ...] = ()
    case_opening: CaseOpening = CaseOpening.NOBODY
    case_kind: CaseKind = CaseKind.SERVICE_REQUEST
    hourly_limit: int = 20
    secret_time: datetime | None = None
    extensions: tuple[Extension, ...] = ()
    recording_hosts: tuple[str, ...] = ()

    @property
    def secret(self) -> str | None:
        """Kept elsewhere, and shown by the answer alone that made it."""
        return None

    @property
    def case_channel(self) -> CaseChannel:
        """How a case has reached us that a message opened."""
        return CASE_CHANNELS.get(self.kind, CaseChannel.OTHER)

    @property
    def users_by_extension(self) -> Mapping[str, UUID]:
        """Whose telephones are, by their extensions."""
        return {each.extension: each.user_id for each in self.extensions}

    def extension_of(self, user_id: UUID) -> str | None:
        """The extension of a user."""
        return next((each.extension for each in self.extensions if each.user_id == user_id), None)

    def update(self, values: Mapping[str, Any]) -> "Channel":
        """With new values of some fields."""
        self._require(ChannelState.ACTIVE, "changed")
        return replace(self, **values)

    def checked(self) -> "Channel":
        """The channel itself; InvalidArgument for an address that is none, and extensions that cannot be."""
        for name in ("extensions", "recording_hosts"):
            if getattr(self, name) and self.kind is not ChannelKind.TELEPHONE:
                raise invalid_field(f"channel.{name}", "channel_telephones", "only channels of telephones have them")
        for index, address in enumerate(self.addresses):
            self._check_address(address, field=f"channel.addresses[{index}]")
        for name in ("extension", "user_id"):
            seen: set[object] = set()
            for index, each in enumerate(self.extensions):
                value = getattr(each, name)
                if value in seen:
                    raise invalid_field(f"channel.extensions[{index}].{name}", "unique", f"{value} is there twice")
                seen.add(value)
        return self

    def _check_address(self, address: str, *, field: str) -> None:
        """InvalidArgument for what nobody can write to or call from, by a channel of its kind."""
        if self.kind is ChannelKind.MAIL:
            address_of(address, field=field)
        elif self.kind is ChannelKind.TELEPHONE and not is_number(address):
            detail = f"must be a telephone number or a short code, of at most {MAX_DIGITS} digits"
            raise invalid_field(field, "channel_number", detail, metadata={"most": str(MAX_DIGITS)})
        elif self.kind is ChannelKind.SMS and not is_number(address) and not SENDER_NAME.fullmatch(address):
            detail = f"must be a telephone number or a short code, of at most {MAX_DIGITS} digits, or a sender's name"
            raise invalid_field(field, "channel_sender", detail, metadata={"most": str(MAX_DIGITS)})

    def archive(self) -> "Channel":
        """Put it away: it takes no more messages."""
        self._require(ChannelState.ACTIVE, "archived")
        return replace(self, state=ChannelState.ARCHIVED)

    def restore(self) -> "Channel":
        """Bring it back."""
        self._require(ChannelState.ARCHIVED, "restored")
        return replace(self, state=ChannelState.ACTIVE)

    def rotate(self, *, now: datetime) -> "Channel":
        """With a secret that was made now."""
        self._require(ChannelState.ACTIVE, "given a new secret")
        return replace(self, secret_time=now)

    def require_taking(self) -> None:
        """FailedPrecondition unless it takes messages or calls."""
        self._require(ChannelState.ACTIVE, "given messages")

    def require_telephones(self) -> None:
        """InvalidArgument unless calls go by it."""
        if self.kind is not ChannelKind.TELEPHONE:
            raise invalid_field("channel_id", "call_channel", "is no channel of telephones")

    def require_messages(self, *, field: str) -> None:
        """InvalidArgument, of the field that names it, where only calls go by it."""
        if self.kind is ChannelKind.TELEPHONE:
            detail = "is a channel of telephones, by which calls go, and no messages"
            raise invalid_field(field, "message_channel", detail)

    def require_mail(self, *, field: str) -> None:
        """InvalidArgument, of the field that names it, unless mail comes by it."""
        if self.kind is not ChannelKind.MAIL:
            raise invalid_field(field, "mailbox_channel", "is no channel by which mail comes")

    def _require(self, state: ChannelState, done: str) -> None:
        if self.state is not state:
            raise wrong_state("channel", self.state, done, legal=[state])
