"""Channels, declared. They serve everybody, so every scope sees them all."""

from crm.service_desk.v1 import channels_pb2 as pb
from crm.service_desk.v1 import events_pb2 as events
from crm_kit.resource.writing import Resource

from crm_service_desk.channels.model import Channel, ChannelState
from crm_service_desk.channels.tables import channels

CHANNELS = Resource(
    "channel",
    entity=Channel,
    table=channels,
    message=pb.Channel,
    created=events.ChannelCreated,
    updated=events.ChannelUpdated,
    hidden={"state": {ChannelState.ARCHIVED}},
    verbs={
        "ArchiveChannel": lambda channel, _: channel.archive(),
        "RestoreChannel": lambda channel, _: channel.restore(),
        "RotateChannelSecret": lambda channel, attempt: channel.rotate(now=attempt.now),
    },
)
