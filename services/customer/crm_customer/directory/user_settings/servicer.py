"""UserSettingsService: from message to command or query and back, nothing else."""

from crm.customer.v1 import user_settings_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.etags import check_etag

from crm_customer.directory.user_settings.commands import save_settings
from crm_customer.directory.user_settings.queries import get_settings
from crm_customer.directory.user_settings.wire import settings_to_pb, settings_updated


class UserSettingsServicer:
    contract = pb.DESCRIPTOR.services_by_name["UserSettingsService"]

    async def GetUserSettings(self, _request: pb.GetUserSettingsRequest, reader: Reader) -> pb.UserSettings:
        return settings_to_pb(await get_settings(reader, reader.actor.user_id))

    async def UpdateUserSettings(self, request: pb.UpdateUserSettingsRequest, work: UnitOfWork) -> pb.UserSettings:
        before = await get_settings(work, work.actor.user_id)
        check_etag(request.user_settings.etag, before.version)
        return settings_to_pb(save_settings(work, before, settings_updated(before, request)))
