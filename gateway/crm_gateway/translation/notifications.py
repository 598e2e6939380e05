"""What notifications say, in the language of who asks: the service says it in English."""

from typing import Any

from crm.type.v1.notice_kind_pb2 import NoticeKind
from crm_kit.notice_texts import title_of

from crm_gateway.problems import LabelsOf
from crm_gateway.texts.catalogue import Language

PREFIX = "NOTICE_KIND_"


def translate_notification(notification: Any, language: Language, _labels_of: LabelsOf) -> None:
    """Put the title into a language, by kind and values."""
    kind = NoticeKind.Name(notification.kind).removeprefix(PREFIX)
    notification.title = title_of(kind, notification.record_title, notification.values, language)
