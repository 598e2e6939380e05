"""NotificationService: from message to command or query and back, nothing else."""

from crm.customer.v1 import notifications_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.paging import PageTokens

from crm_customer.workspace.notifications import commands
from crm_customer.workspace.notifications.resource import NOTIFICATIONS
from crm_customer.workspace.notifications.wire import marking_of


class NotificationServicer:
    contract = pb.DESCRIPTOR.services_by_name["NotificationService"]

    def __init__(self, tokens: PageTokens) -> None:
        self._tokens = tokens

    async def GetNotification(self, request: pb.GetNotificationRequest, reader: Reader) -> pb.Notification:
        return await NOTIFICATIONS.read(reader, request.id)

    async def ListNotifications(
        self, request: pb.ListNotificationsRequest, reader: Reader
    ) -> pb.ListNotificationsResponse:
        return await NOTIFICATIONS.list(reader, request, pb.ListNotificationsResponse, self._tokens)

    async def MarkNotificationRead(self, request: pb.MarkNotificationReadRequest, work: UnitOfWork) -> pb.Notification:
        before = await NOTIFICATIONS.target(work, request)
        return NOTIFICATIONS.message(work, await commands.mark_read(work, before))

    async def MarkAllNotificationsRead(
        self, request: pb.MarkAllNotificationsReadRequest, work: UnitOfWork
    ) -> pb.MarkAllNotificationsReadResponse:
        return pb.MarkAllNotificationsReadResponse(
            marked_count=await commands.mark_all_read(work, **marking_of(request))
        )
