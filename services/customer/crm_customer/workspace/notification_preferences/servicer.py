"""NotificationPreferenceService: from message to command or query and back, nothing else."""

from crm.customer.v1 import notification_preferences_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork

from crm_customer.workspace.notification_preferences import commands
from crm_customer.workspace.notification_preferences.resource import PREFERENCES


class NotificationPreferenceServicer:
    contract = pb.DESCRIPTOR.services_by_name["NotificationPreferenceService"]

    async def GetNotificationPreference(
        self, _request: pb.GetNotificationPreferenceRequest, reader: Reader
    ) -> pb.NotificationPreference:
        return PREFERENCES.message(reader, await commands.own_preference(reader))

    async def UpdateNotificationPreference(
        self, request: pb.UpdateNotificationPreferenceRequest, work: UnitOfWork
    ) -> pb.NotificationPreference:
        await commands.begin_preference(work)
        request.notification_preference.id = str(work.actor.user_id)
        before, values = await PREFERENCES.to_update(work, request)
        return PREFERENCES.message(work, await commands.update_preference(work, before, values))
