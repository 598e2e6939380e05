"""Interactions between protobuf and entity."""

from collections.abc import Iterable
from datetime import date
from typing import Any
from uuid import UUID

from crm.customer.v1 import events_pb2
from crm.customer.v1 import interactions_pb2 as pb
from crm_kit.errors import invalid_field
from crm_kit.wire import EnumNames, Fields, same, text_or_none, time_from, timestamp

from crm_customer.records.interactions.model import Channel, Direction, Interaction

CHANNELS = EnumNames(pb.Interaction.Channel, "CHANNEL_", Channel)
DIRECTIONS = EnumNames(pb.Interaction.Direction, "DIRECTION_", Direction)


def ids_from(values: Iterable[str]) -> tuple[UUID, ...]:
    return tuple(map(UUID, values))


def due_date_from(text: str) -> date | None:
    """The day; InvalidArgument for one that no calendar has."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        field = "interaction.next_step_due_date"
        raise invalid_field(field, "date", "is not a day of the calendar") from None


# What a caller may say of an interaction, beside when it was.
FIELDS = Fields(
    account_id=UUID,
    channel=CHANNELS.entity,
    direction=DIRECTIONS.entity,
    subject=same,
    body=text_or_none,
    contact_ids=ids_from,
    user_ids=ids_from,
    outcome=text_or_none,
    next_step=text_or_none,
    next_step_due_date=due_date_from,
)


def values_from(message: pb.Interaction) -> dict[str, Any]:
    """The values of what a caller said; `interaction_time` is None when they did not say it."""
    said = message.HasField("interaction_time")
    return FIELDS.all_of(message) | {"interaction_time": time_from(message.interaction_time) if said else None}


def interaction_to_pb(interaction: Interaction) -> pb.Interaction:
    due = interaction.next_step_due_date
    return pb.Interaction(
        id=str(interaction.id),
        account_id=str(interaction.account_id),
        channel=CHANNELS.wire(interaction.channel),
        direction=DIRECTIONS.wire(interaction.direction),
        subject=interaction.subject,
        body=interaction.body or "",
        contact_ids=map(str, interaction.contact_ids),
        user_ids=map(str, interaction.user_ids),
        interaction_time=timestamp(interaction.interaction_time),
        outcome=interaction.outcome or "",
        next_step=interaction.next_step or "",
        next_step_due_date="" if due is None else due.isoformat(),
        recorder_id=str(interaction.recorder_id),
        create_time=timestamp(interaction.create_time),
    )


def interaction_recorded(interaction: Interaction) -> events_pb2.InteractionRecorded:
    return events_pb2.InteractionRecorded(interaction=interaction_to_pb(interaction))
