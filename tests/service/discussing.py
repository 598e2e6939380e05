"""Discussions for tests, by gRPC."""

from typing import Any

from crm.resource.v1 import comments_pb2 as pb
from crm.resource.v1.comments_pb2_grpc import CommentServiceStub
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.running import Running, User


class Talk:
    """The comments of a record, an account unless told otherwise."""

    def __init__(self, service: Running, record_id: str, collection: str = "accounts") -> None:
        self.stub = CommentServiceStub(service.channel)
        self.at: dict[str, Any] = {"collection": collection, "record_id": record_id}

    async def say(self, by: User, text: str = "call them", key: str = "", **more: Any) -> pb.Comment:
        request = pb.CreateCommentRequest(comment=pb.Comment(text=text, **more), **self.at)
        answer: pb.Comment = await self.stub.CreateComment(request, metadata=by.with_key(key) if key else by.metadata)
        return answer

    async def list(self, by: User, **asked: Any) -> list[pb.Comment]:
        page = await self.stub.ListComments(pb.ListCommentsRequest(**self.at, **asked), metadata=by.metadata)
        return list(page.comments)

    async def edit(self, by: User, comment: pb.Comment, etag: str = "", **values: Any) -> pb.Comment:
        changed = pb.Comment(id=comment.id, etag=etag, **values)
        request = pb.UpdateCommentRequest(comment=changed, update_mask=FieldMask(paths=list(values)), **self.at)
        answer: pb.Comment = await self.stub.UpdateComment(request, metadata=by.metadata)
        return answer

    async def delete(self, by: User, comment: pb.Comment, etag: str = "") -> None:
        request = pb.DeleteCommentRequest(id=comment.id, etag=etag, **self.at)
        await self.stub.DeleteComment(request, metadata=by.metadata)
