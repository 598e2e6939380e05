"""ChannelService: from message to command or query and back, nothing else."""

from crm.service_desk.v1 import channels_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.paging import PageTokens

from crm_service_desk.channels import commands
from crm_service_desk.channels.resource import CHANNELS
from crm_service_desk.channels.secrets import ChannelSecrets


class ChannelServicer:
    contract = pb.DESCRIPTOR.services_by_name["ChannelService"]

    def __init__(self, tokens: PageTokens, secrets: ChannelSecrets) -> None:
        self._tokens = tokens
        self._secrets = secrets

    async def CreateChannel(self, request: pb.CreateChannelRequest, work: UnitOfWork) -> pb.Channel:
        values = CHANNELS.values_of(request.channel)
        return CHANNELS.message(work, await commands.create_channel(work, values))

    async def GetChannel(self, request: pb.GetChannelRequest, reader: Reader) -> pb.Channel:
        return await CHANNELS.read(reader, request.id)

    async def ListChannels(self, request: pb.ListChannelsRequest, reader: Reader) -> pb.ListChannelsResponse:
        return await CHANNELS.list(reader, request, pb.ListChannelsResponse, self._tokens)

    async def UpdateChannel(self, request: pb.UpdateChannelRequest, work: UnitOfWork) -> pb.Channel:
        before, values = await CHANNELS.to_update(work, request)
        return CHANNELS.message(work, await commands.update_channel(work, before, values))

    async def ArchiveChannel(self, request: pb.ArchiveChannelRequest, work: UnitOfWork) -> pb.Channel:
        return CHANNELS.message(work, commands.archive_channel(work, await CHANNELS.target(work, request)))

    async def RestoreChannel(self, request: pb.RestoreChannelRequest, work: UnitOfWork) -> pb.Channel:
        return CHANNELS.message(work, commands.restore_channel(work, await CHANNELS.target(work, request)))

    async def RotateChannelSecret(self, request: pb.RotateChannelSecretRequest, work: UnitOfWork) -> pb.Channel:
        before = await CHANNELS.target(work, request)
        secret, sealed = self._secrets.make(work, before.id)
        message = CHANNELS.message(work, commands.rotate_secret(work, before, sealed, end_old=request.end_old))
        message.secret = secret
        return message
