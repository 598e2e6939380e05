"""Reports that come with the platform: declared by a service for its collections, the same in every tenant.

They are no records: they can be run and copied, and a new version of the platform may ask better.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid5

from crm.resource.v1 import reports_pb2 as pb

from crm_kit.errors import InvalidArgument
from crm_kit.filtering.parsing import parse_filter
from crm_kit.identity.access import SERVICE_USER
from crm_kit.reports.model import Chart, Names, Question, Report
from crm_kit.reports.resource import REPORTS
from crm_kit.reports.running import period_type, typed_question
from crm_kit.resource.questions import AnyResource, Askable
from crm_kit.resource.values import DeclarationError
from crm_kit.sharing.model import Visibility

_IDS = UUID("3f0c8f0e-7d0a-5c56-9d3b-2f1f6a3c9e11")
SINCE = datetime(2026, 11, 27, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ReadyReport:
    """One of them. Its id follows from collection and key, which therefore stay."""

    collection: str
    key: str
    names: Names
    question: Question
    chart: Chart = Chart.TABLE

    @property
    def id(self) -> UUID:
        return ready_id(self.collection, self.key)

    @property
    def report(self) -> Report:
        """As if it were a record that everybody may read."""
        return Report(
            id=self.id,
            collection=self.collection,
            display_name=self.names.zh,
            question=self.question,
            owner_id=SERVICE_USER,
            create_time=SINCE,
            update_time=SINCE,
            chart=self.chart,
            visibility=Visibility.TENANT,
        )

    def message(self) -> pb.Report:
        """As callers see it."""
        shown = REPORTS.message_of(self.report)
        shown.built_in, shown.owner_id = True, ""
        shown.names.en, shown.names.zh = self.names.en, self.names.zh
        return shown


def ready_id(collection: str, key: str) -> UUID:
    """The id of a report that comes with the platform, the same in every tenant."""
    return uuid5(_IDS, f"{collection}/{key}")


ReadyReports = Mapping[str, Mapping[UUID, ReadyReport]]
"""By collection and id."""


def ready_reports(declared: Iterable[ReadyReport], resources: Mapping[str, AnyResource]) -> ReadyReports:
    """Those of a service. DeclarationError for what its collections could not answer."""
    found: dict[str, dict[UUID, ReadyReport]] = {}
    for each in declared:
        if each.collection not in resources:
            raise DeclarationError(f"{each.key}: there are no reports of {each.collection}")
        try:
            _check(each, resources[each.collection])
        except InvalidArgument as error:
            raise DeclarationError(f"{each.collection}/{each.key}: {error.detail}") from None
        of_collection = found.setdefault(each.collection, {})
        if each.id in of_collection:
            raise DeclarationError(f"{each.collection}/{each.key}: there are two of it")
        of_collection[each.id] = each
    return found


def _check(ready: ReadyReport, resource: AnyResource) -> None:
    asked = Askable(resource, {})
    typed_question(asked, ready.question, "")
    parse_filter(ready.question.filter, resource.filter_schema)
    if ready.question.period is not None:
        period_type(asked, ready.question.period, "")
