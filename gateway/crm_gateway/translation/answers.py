"""What answers say in words, put into the language of who asks wherever in an answer it stands."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from crm.customer.v1 import imports_pb2, notifications_pb2
from crm.resource.v1 import record_access_pb2, resources_pb2
from crm.sales.v1 import leads_pb2, orders_pb2
from crm.scoring.v1 import credit_pb2
from google.protobuf.descriptor import Descriptor

from crm_gateway.problems import LabelsOf
from crm_gateway.texts.catalogue import Language
from crm_gateway.translation.actions import translate_actions, translate_refusal
from crm_gateway.translation.explanations import translate_credit, translate_explanation
from crm_gateway.translation.imports import translate_failure, translate_row_errors
from crm_gateway.translation.notifications import translate_notification

Translate = Callable[[Any, Language, LabelsOf], None]
TRANSLATIONS: Mapping[str, Translate] = {
    resources_pb2.RecordActions.DESCRIPTOR.full_name: translate_actions,
    record_access_pb2.RecordAccess.Operation.DESCRIPTOR.full_name: translate_refusal,
    imports_pb2.ListImportErrorsResponse.DESCRIPTOR.full_name: translate_row_errors,
    imports_pb2.ImportReport.Row.DESCRIPTOR.full_name: translate_row_errors,
    imports_pb2.Import.DESCRIPTOR.full_name: translate_failure,
    notifications_pb2.Notification.DESCRIPTOR.full_name: translate_notification,
    leads_pb2.Protection.Step.DESCRIPTOR.full_name: translate_explanation,
    orders_pb2.HoldReason.DESCRIPTOR.full_name: translate_explanation,
    credit_pb2.PreviewCreditResponse.DESCRIPTOR.full_name: translate_credit,
}


def translator(message: Descriptor, above: Sequence[str] = ()) -> Translate | None:
    """What puts a message and all within it into a language; None where they say nothing in words.

    `above` are the types of the messages that it stands in.
    """
    if own := TRANSLATIONS.get(message.full_name):
        return own
    within: list[tuple[str, bool, Translate]] = []
    for field in message.fields:
        inner = field.message_type
        if inner is None or inner.GetOptions().map_entry or inner.full_name in above:
            continue
        if translate := translator(inner, (*above, message.full_name)):
            within.append((field.name, field.is_repeated, translate))
    return partial(_translate, within) if within else None


def _translate(
    within: Sequence[tuple[str, bool, Translate]], message: Any, language: Language, labels_of: LabelsOf
) -> None:
    for name, is_repeated, translate in within:
        if is_repeated:
            for each in getattr(message, name):
                translate(each, language, labels_of)
        elif message.HasField(name):
            translate(getattr(message, name), language, labels_of)
