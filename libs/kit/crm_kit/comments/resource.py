"""Comments, declared. They are read with their record, so every scope that reaches the record reaches them."""

from crm.resource.v1 import comments_pb2 as pb
from crm.resource.v1 import events_pb2 as events
from sqlalchemy import Uuid, and_, bindparam, true

from crm_kit.comments.model import Comment
from crm_kit.plumbing import comments
from crm_kit.resource.writing import Resource

COMMENTS = Resource(
    "comment",
    entity=Comment,
    table=comments,
    message=pb.Comment,
    created=events.CommentCreated,
    updated=events.CommentUpdated,
    # What is deleted is to be nowhere: no history has it, no event, and no answer that is kept (`rpc/kept_answers.py`).
    unversioned={"text"},
    untold={"text"},
    visible=lambda _scope: true(),
    # Ids grow with time, and the index of a record's comments ends with them.
    default_order="id desc",
)
# Needs the bind parameters `collection` and `record_id`.
OF_RECORD = COMMENTS.list_of(
    "comments",
    of=and_(
        comments.c.collection == bindparam("collection"),
        comments.c.record_id == bindparam("record_id", type_=Uuid),
    ),
)
