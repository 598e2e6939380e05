"""The life of a service: start without waiting for anything, become ready when everything is there, drain, stop.

python -m crm_customer serve | migrate [REVISION] | dead-letters [replay] | republish MINUTES
"""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import structlog
from google.protobuf.message import Message
from nats.aio.client import Client
from sqlalchemy import FromClause, MetaData, Table

from crm_kit import logging, plumbing, telemetry
from crm_kit.approval_policies.servicer import ApprovalPolicyServicer
from crm_kit.approvals.declaration import Approvable
from crm_kit.approvals.gate import Gate
from crm_kit.approvals.outdating import Outdating
from crm_kit.approvals.overdue import OverdueApprovals
from crm_kit.approvals.rescheduling import RescheduledApprovals
from crm_kit.approvals.servicer import ApprovalServicer
from crm_kit.attachments.contents import Contents
from crm_kit.attachments.servicer import AttachmentServicer
from crm_kit.attachments.sweeping import Sweeping
from crm_kit.automation.doing import Doing
from crm_kit.automation.due.job import TimedRules
from crm_kit.automation.following import Following
from crm_kit.automation.running import Runner
from crm_kit.automation.runs.servicer import AutomationRunServicer
from crm_kit.automation.watched import Watched, watched_among
from crm_kit.automation_rules.servicer import AutomationRuleServicer
from crm_kit.background import Job, Tenants, kept_running
from crm_kit.change_proposals.escalating import EscalatingProposals
from crm_kit.change_proposals.proposable import Proposable, proposables_among
from crm_kit.change_proposals.servicer import ChangeProposalServicer
from crm_kit.clock import Now, TenantClock, system_now
from crm_kit.comments.servicer import CommentServicer
from crm_kit.custom_field_definitions.queries import readable_custom_fields
from crm_kit.custom_field_definitions.references import references_of
from crm_kit.custom_field_definitions.servicer import CustomFieldServicer
from crm_kit.custom_fields.definitions import Require, catalogue_of
from crm_kit.database.connections import Database
from crm_kit.database.tables import violations_of
from crm_kit.directory.access import Directory
from crm_kit.events.broker import Broker
from crm_kit.events.consumers import Consumers
from crm_kit.events.consuming import Consuming
from crm_kit.events.relay import Relay
from crm_kit.exports.as_jobs import exports_as_jobs
from crm_kit.exports.exportable import Exportable, exportables_among
from crm_kit.exports.exporting import Exporting
from crm_kit.exports.servicer import ExportServicer
from crm_kit.exports.sweeping import ExportSweeping
from crm_kit.file_store.store import open_store
from crm_kit.garbage import collect_seldom, return_freed_memory
from crm_kit.identity.issuers import verifier_of
from crm_kit.identity.key_ring import FetchKeys
from crm_kit.jobs.calling import Changeable, changeable_among
from crm_kit.jobs.elsewhere import JobsElsewhere
from crm_kit.jobs.model import Kind
from crm_kit.jobs.queries import readable_jobs
from crm_kit.jobs.servicer import JobServicer
from crm_kit.jobs.worker import JobWorker, OtherKind
from crm_kit.mail.gathering import set_up_mail
from crm_kit.mail.sending import SIDE_BY_SIDE, MailSender
from crm_kit.my_tasks.servicer import MyTaskServicer
from crm_kit.paging import PageTokens
from crm_kit.readiness import end, watch
from crm_kit.record_access.servicer import RecordAccessServicer
from crm_kit.reports.ready import ReadyReport, ready_reports
from crm_kit.reports.sending import ReportSending
from crm_kit.reports.servicer import ReportServicer, reported
from crm_kit.resource.names import Names, named_tables
from crm_kit.resource.owners import call_when_given
from crm_kit.resource.questions import AnyResource
from crm_kit.resource.servicer import ResourceServicer
from crm_kit.resource.withholding import Rule, Withholding
from crm_kit.resource.writing import Resource
from crm_kit.retention import Cleaning
from crm_kit.rpc.calendars import asked_of_desk
from crm_kit.rpc.clients import ServiceClient
from crm_kit.rpc.methods import Servicer, runs_of
from crm_kit.rpc.pipeline import Pipeline
from crm_kit.rpc.server import Server, check_contract
from crm_kit.rpc.showing import Showing
from crm_kit.settings import ServiceSettings
from crm_kit.tasks.going_along import going_along
from crm_kit.tasks.place import Place, places_among
from crm_kit.tasks.servicer import TaskServicer
from crm_kit.tasks.telling import TellingOfTasks
from crm_kit.thin_events.model import CUSTOM_FIELDS, JOBS
from crm_kit.working_time.calendars import WorkingCalendars, follow_calendars

log = structlog.get_logger()


@dataclass
class Service:
    """What a service is made of; `app.py` of each service fills it in, nothing else does."""

    name: str
    settings: ServiceSettings
    metadata: MetaData
    folder: Path
    database: Database = field(init=False)
    clock: TenantClock = field(init=False)
    directory: Directory = field(init=False)
    calendars: WorkingCalendars = field(init=False)
    consumers: Consumers = field(init=False)
    # Runs automation rules, beside what follows from events always: neither keeps the other waiting.
    automation: Consumers = field(init=False)
    # The bytes of what is attached to its records.
    contents: Contents = field(init=False)
    # Consumers of its own besides, each with a name that begins with the service's.
    more_consumers: list[Consumers] = field(default_factory=list)
    servicers: list[Servicer] = field(default_factory=list)
    # What it declared: served by `crm.resource.v1`.
    resources: list[Resource[Any, Any]] = field(default_factory=list)
    # Verbs of these resources that tenants may have approved.
    approvables: list[Approvable] = field(default_factory=list)
    # Reports about its collections that it brings.
    ready_reports: Sequence[ReadyReport] = ()
    # Where the display names of other collections are: what has the columns tenant_id, id and display_name.
    names: dict[str, FromClause] = field(default_factory=dict)
    # What is withheld of records by rules of their own, by their message.
    withheld: dict[type[Message], Rule] = field(default_factory=dict)
    # What custom fields may refer to besides users and its own records, by collection.
    references: dict[str, Require] = field(default_factory=dict)
    # Jobs among others that are records of its own, by their kind.
    jobs_elsewhere: dict[Kind, JobsElsewhere] = field(default_factory=dict)
    # Who carries out the jobs of kinds that are its own.
    job_kinds: dict[Kind, OtherKind] = field(default_factory=dict)
    # Services that may call it in their own name, each with the key by which it proves that.
    service_keys: dict[str, bytes] = field(default_factory=dict)
    # Whether it keeps the stream of all events as the platform relies on it, which the broker lets one service do.
    keeps_stream: bool = False
    # Background work, each run for the life of the process.
    jobs: list[Job] = field(default_factory=list)
    # Run when the process ends.
    closers: list[Job] = field(default_factory=list)

    def __post_init__(self) -> None:
        violations = violations_of(plumbing.metadata, self.metadata)
        self.database = Database(
            self.settings.database_url, violations=violations, size=self.settings.database_pool_size
        )
        if self.settings.mail_server is not None:
            set_up_mail(self.database)
        self.clock = TenantClock(self.database)
        self.directory = Directory(self.database, self.settings.issuer)
        desk = ServiceClient(self.settings.service_desk_address, name="service_desk")
        self.calendars = WorkingCalendars(asked_of_desk(desk))
        self.closers.append(desk.close)
        self.consumers = Consumers(self.name, self.database, self.clock)
        follow_calendars(self.consumers)
        self.automation = Consumers(f"{self.name}_automation", self.database, self.clock)
        self.contents = Contents(self.name, self.database, open_store(self.settings))

    @cached_property
    def watched(self) -> Mapping[str, Watched]:
        """Its collections that tenants can have automation rules for."""
        return watched_among(self.resources, self.approvables)

    @cached_property
    def gate(self) -> Gate:
        """What can be approved of it, once `approvables` are all there."""
        return Gate(self.approvables, self.directory, self.calendars)

    @cached_property
    def known_names(self) -> Names:
        """The names of its records, and of others that it knows."""
        return Names(named_tables(self.resources) | self.names)

    @cached_property
    def withholding(self) -> Withholding:
        """What is withheld of its records."""
        accounts = self.names.get("accounts")
        return Withholding(accounts if isinstance(accounts, Table) else None, self.withheld)

    @cached_property
    def page_tokens(self) -> PageTokens:
        """What its lists go on by."""
        return PageTokens(self.settings.page_token_key.encode())

    @cached_property
    def task_places(self) -> Mapping[str, Place]:
        """Its collections that have tasks."""
        return places_among(self.resources)

    @cached_property
    def tasks(self) -> TaskServicer:
        """The tasks of its records, which people create, and automation rules."""
        return TaskServicer(self.task_places, self.known_names, self.page_tokens)

    @cached_property
    def outdating(self) -> Outdating:
        """What ends approvals that their record has left behind."""
        return Outdating(Tenants(self.database, self.clock), self.gate)

    @property
    def tables(self) -> list[str]:
        """All that its migrations make."""
        return [*plumbing.metadata.tables, *self.metadata.tables]


async def serve(service: Service, built_in_keys: FetchKeys) -> None:
    """Serve until SIGTERM or SIGINT."""
    settings = service.settings
    logging.set_up(service.name, level=settings.log_level, style=settings.log_format)
    telemetry.set_up(service.name, endpoint=settings.otlp_endpoint, sample_ratio=settings.trace_sample_ratio)
    check_contract()
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stopping.set)
    collect_seldom()
    async with running(service, built_in_keys):
        return_freed_memory()
        log.info("service.started", address=settings.listen_address)
        await stopping.wait()
        log.info("service.stopping")
    log.info("service.stopped")


@contextlib.asynccontextmanager
async def running(service: Service, built_in_keys: FetchKeys, now: Now = system_now) -> AsyncIterator[asyncio.Event]:
    """The service at work inside the block; the event is set once it is ready."""
    settings = service.settings
    verifier = verifier_of(settings.issuer, settings.audience, settings.oidc_issuers, built_in_keys)
    names = service.known_names
    call_when_given(service.database, going_along(service.task_places))
    for each in service.approvables:
        names.require(each.resource.collection, f"approvals of {each.rpc}")
    withholding, gate = service.withholding, service.gate
    service.outdating.follow(service.consumers)
    runner, worker = follow_with_rules(service, gate), worker_of(service, gate)
    keys = service.service_keys
    pipeline = Pipeline(
        service.name, service.database, verifier, service.directory, names, withholding, gate, now, service_keys=keys
    )
    server = Server(
        settings.listen_address,
        connection_max_age_seconds=settings.connection_max_age_seconds,
        links=settings.links,
    )
    asked, tokens = reported(service.resources), service.page_tokens
    reports = ReportServicer(asked, ready_reports(service.ready_reports, asked), names, tokens)
    proposables = proposables_among(worker.changeable.values())
    proposals = ChangeProposalServicer(proposables, names, tokens)
    generic = [*generic_servicers(service, names, withholding, gate, runner, worker), reports, proposals]
    jobs = [worker.job.run, *([sending_reports(service, asked, reports)] if asked else [])]
    jobs += escalating_proposals(service, proposables)
    await server.start([*service.servicers, *generic], pipeline)
    broker = Broker(settings.nats_url, keeps_stream=service.keeps_stream)
    ready = asyncio.Event()

    async def watching() -> None:
        jobs_with = partial(background, service, gate, runner, jobs)
        await watch(service.database, service.tables, server, broker, jobs_with, ready)

    tasks = [asyncio.create_task(kept_running(each)) for each in (broker.run, watching)]
    try:
        yield ready
    finally:
        await server.stop(settings.drain_seconds)
        await end(tasks)
        for close in (*service.closers, broker.close, service.database.close):
            await close()


def generic_servicers(
    service: Service, names: Names, withholding: Withholding, gate: Gate, runner: Runner, worker: JobWorker
) -> list[Servicer]:
    """What every service serves for the resources that it has declared."""
    catalogue_of(service.database).references = references_of(service.resources, service.references)
    tokens = service.page_tokens
    elsewhere = service.jobs_elsewhere | {Kind.EXPORT: exports_as_jobs(worker.changeable)}
    return [
        ResourceServicer(
            service.resources,
            names,
            withholding,
            gate,
            tokens,
            {JOBS: readable_jobs, CUSTOM_FIELDS: readable_custom_fields},
        ),
        CustomFieldServicer(service.resources, tokens),
        ApprovalPolicyServicer(gate, tokens),
        ApprovalServicer(gate, names, tokens),
        AutomationRuleServicer(service.watched, runner, tokens),
        AutomationRunServicer(service.watched, tokens),
        RecordAccessServicer(service.resources, service.directory, gate),
        CommentServicer(service.resources, service.directory, tokens),
        AttachmentServicer(service.resources, service.directory, service.contents, tokens, service.settings),
        JobServicer(worker.changeable, elsewhere, tokens, worker.job.wake),
        ExportServicer(
            exportables_of(service, worker.changeable),
            service.directory,
            service.contents,
            withholding,
            tokens,
            service.settings,
            worker.job.wake,
        ),
        service.tasks,
        MyTaskServicer(service.task_places, tokens),
    ]


def sending_reports(service: Service, asked: Mapping[str, AnyResource], reports: ReportServicer) -> Job:
    """Sends the reports of the service's collections to those who are subscribed."""
    tenants = Tenants(service.database, service.clock)
    return ReportSending(tenants, service.directory, asked, reports, service.settings.console_url).job.run


def escalating_proposals(service: Service, proposables: Mapping[str, Proposable]) -> list[Job]:
    """Has proposals go up that nobody decides, where changes are proposed of something."""
    tenants = Tenants(service.database, service.clock)
    return [EscalatingProposals(tenants, proposables).job.run] if proposables else []


def follow_with_rules(service: Service, gate: Gate) -> Runner:
    """Have the automation rules of the service's collections run on its events."""
    runner = runner_of(service, gate)
    Following(service.database, service.directory, service.clock, service.watched, runner).follow(service.automation)
    return runner


def runner_of(service: Service, gate: Gate) -> Runner:
    """Runs automation rules by the calls that people make."""
    doing = Doing(service.watched, runs_of([*service.servicers, service.tasks], gate.around), gate)
    return Runner(service.database, service.directory, service.clock, doing)


def worker_of(service: Service, gate: Gate) -> JobWorker:
    """Carries out jobs by the calls that people make."""
    changeable = changeable_among(service.resources, runs_of(service.servicers, gate.around))
    tenants, exportables = Tenants(service.database, service.clock), exportables_of(service, changeable)
    room = service.settings.max_tenant_attachment_bytes
    exporting = Exporting(tenants, service.directory, service.contents, exportables, room)
    return JobWorker(tenants, service.directory, changeable, {Kind.EXPORT: exporting} | service.job_kinds)


def exportables_of(service: Service, changeable: Mapping[str, Changeable]) -> Mapping[str, Exportable]:
    """Its collections whose records can be exported."""
    return exportables_among(changeable, service.servicers, Showing(service.known_names, service.withholding))


def background(service: Service, gate: Gate, runner: Runner, more: Sequence[Job], client: Client) -> list[Job]:
    """Relay, consumers, cleaning, tasks, approvals and rules whose time has come, mail, what is given, its own."""
    relay = Relay(service.database, service.settings.database_url, client)
    tenants = Tenants(service.database, service.clock)
    all_consumers = (service.consumers, service.automation, *service.more_consumers)
    jobs: list[Job] = [relay.run, *(Consuming(each, client).run for each in all_consumers)]
    nouns = {each.table.name: each.noun for each in service.resources}
    jobs.append(Cleaning(tenants, service.metadata, nouns).job.run)
    if service.task_places:
        jobs.append(TellingOfTasks(tenants, service.task_places).job.run)
    if service.settings.file_store_url:
        jobs += [Sweeping(tenants, service.contents).job.run, ExportSweeping(tenants).job.run]
    if gate.approvables:
        jobs += [OverdueApprovals(tenants, gate).job.run, RescheduledApprovals(tenants, gate).job.run]
    if service.watched:
        jobs.append(TimedRules(tenants, service.watched, runner).job.run)
    if (server := service.settings.mail_server) is not None:
        jobs += [MailSender(tenants, server).job.run for _ in range(SIDE_BY_SIDE)]
    return [*jobs, *more, *service.jobs]
