"""The composition root of the customer service: what it is made of, and nothing else."""

from datetime import timedelta
from pathlib import Path

from crm_kit.background import Tenants
from crm_kit.events.consumers import Consumers
from crm_kit.exports.as_jobs import results_of as no_results
from crm_kit.identity.key_ring import FetchKeys
from crm_kit.identity.provider_http import ProviderHttp
from crm_kit.jobs.elsewhere import JobsElsewhere
from crm_kit.jobs.model import Kind
from crm_kit.jobs.wire import result_to_pb as job_result_to_pb
from crm_kit.listed_collections import listed_collections
from crm_kit.paging import PageTokens
from crm_kit.sealing import Sealer, derived_key
from crm_kit.service import Service

from crm_customer.consumers import TIMELINE, follow_events
from crm_customer.directory.approval_delegations.resource import DELEGATIONS
from crm_customer.directory.approval_delegations.servicer import ApprovalDelegationServicer
from crm_customer.directory.identity_providers.client_secrets import ClientSecrets
from crm_customer.directory.identity_providers.resource import IDENTITY_PROVIDERS
from crm_customer.directory.identity_providers.servicer import IdentityProviderServicer
from crm_customer.directory.roles.renewal import RoleRenewal
from crm_customer.directory.roles.resource import ROLES
from crm_customer.directory.roles.servicer import RoleServicer
from crm_customer.directory.sign_ins.commands import SignIns
from crm_customer.directory.sign_ins.providers import Providers
from crm_customer.directory.sign_ins.servicer import SignInServicer
from crm_customer.directory.teams.resource import TEAMS
from crm_customer.directory.teams.servicer import TeamServicer
from crm_customer.directory.tenants.queries import find_tenant
from crm_customer.directory.tenants.resource import TENANTS
from crm_customer.directory.tenants.servicer import TenantServicer
from crm_customer.directory.tokens.commands import Issuer
from crm_customer.directory.tokens.servicer import TokenServicer
from crm_customer.directory.tokens.signing_keys import SigningKeys
from crm_customer.directory.user_settings.servicer import UserSettingsServicer
from crm_customer.directory.users.attempts import TRIED_USERS
from crm_customer.directory.users.passwords import Passwords
from crm_customer.directory.users.servicer import UserServicer
from crm_customer.feeds.deliveries.carrying_out import CarryingOut as CarryingOutFeeds
from crm_customer.feeds.deliveries.counting import Counting
from crm_customer.feeds.deliveries.queries import check_not_delivered
from crm_customer.feeds.deliveries.resource import FEED_DELIVERIES
from crm_customer.feeds.deliveries.servicer import FeedDeliveryServicer
from crm_customer.feeds.resource import FEEDS
from crm_customer.feeds.servicer import FeedServicer
from crm_customer.imports.as_jobs import results_of
from crm_customer.imports.commands import cancel_import_job
from crm_customer.imports.resource import IMPORTS
from crm_customer.imports.servicer import ImportServicer
from crm_customer.imports.wire import result_to_pb
from crm_customer.imports.worker import SIDE_BY_SIDE, ImportWorker
from crm_customer.integrations.webhook_deliveries.commands import replay
from crm_customer.integrations.webhook_deliveries.consumers import Hearing
from crm_customer.integrations.webhook_deliveries.resource import DELIVERIES
from crm_customer.integrations.webhook_deliveries.sending import Sender
from crm_customer.integrations.webhook_deliveries.servicer import WebhookDeliveryServicer
from crm_customer.integrations.webhook_endpoints.calling import Caller
from crm_customer.integrations.webhook_endpoints.keeping import SigningSecrets
from crm_customer.integrations.webhook_endpoints.resource import ENDPOINTS
from crm_customer.integrations.webhook_endpoints.servicer import WebhookEndpointServicer
from crm_customer.integrations.webhook_endpoints.testing import Tests
from crm_customer.ready_reports import READY_REPORTS
from crm_customer.records.account_members.attempts import TRIED_MEMBERS
from crm_customer.records.account_members.servicer import AccountMemberServicer
from crm_customer.records.account_restrictions.carrying_out import CarryingOut
from crm_customer.records.account_restrictions.servicer import AccountRestrictionServicer
from crm_customer.records.accounts.commands import restrict_by_rule
from crm_customer.records.accounts.queries import in_business
from crm_customer.records.accounts.resource import ACCOUNTS
from crm_customer.records.accounts.servicer import AccountServicer
from crm_customer.records.contacts.resource import CONTACTS
from crm_customer.records.contacts.search import ACCOUNT_SEARCH
from crm_customer.records.contacts.servicer import ContactServicer
from crm_customer.records.duplicate_pairs.commands import cancel_scan
from crm_customer.records.duplicate_pairs.resource import DUPLICATE_PAIRS
from crm_customer.records.duplicate_pairs.scanning import Scanning
from crm_customer.records.duplicate_pairs.servicer import DuplicatePairServicer
from crm_customer.records.duplicates.backfill import KeyBackfill
from crm_customer.records.duplicates.finding import refuse_duplicates
from crm_customer.records.duplicates.servicer import DuplicateServicer
from crm_customer.records.interactions.resource import INTERACTIONS
from crm_customer.records.interactions.servicer import InteractionServicer
from crm_customer.records.quality_rules.assessing import Assessing
from crm_customer.records.quality_rules.keeping import AnyResource
from crm_customer.records.quality_rules.providing import RuleProviding
from crm_customer.records.quality_rules.resource import QUALITY_RULES
from crm_customer.records.quality_rules.servicer import QualityRuleServicer
from crm_customer.records.record_quality.servicer import RecordQualityServicer
from crm_customer.records.record_sources.servicer import SourceValueServicer
from crm_customer.records.search.sorting import IndexSorting
from crm_customer.records.segments.resource import SEGMENTS
from crm_customer.records.segments.servicer import SegmentServicer
from crm_customer.records.timeline.servicer import TimelineServicer
from crm_customer.records.visits.missing import Missing
from crm_customer.records.visits.resource import VISITS
from crm_customer.records.visits.servicer import VisitServicer
from crm_customer.settings import CustomerSettings
from crm_customer.tables import metadata
from crm_customer.workspace.dashboards.resource import DASHBOARDS
from crm_customer.workspace.dashboards.servicer import DashboardServicer
from crm_customer.workspace.notification_preferences.resource import PREFERENCES
from crm_customer.workspace.notification_preferences.servicer import NotificationPreferenceServicer
from crm_customer.workspace.notifications.digests import Digests
from crm_customer.workspace.notifications.mails import Mails
from crm_customer.workspace.notifications.resource import NOTIFICATIONS
from crm_customer.workspace.notifications.servicer import NotificationServicer
from crm_customer.workspace.saved_views.resource import SAVED_VIEWS
from crm_customer.workspace.saved_views.servicer import SavedViewServicer

SETTINGS = CustomerSettings


def build(settings: CustomerSettings) -> Service:
    """Put the service together."""
    service = Service("customer", settings, metadata, Path(__file__).parent, keeps_stream=True)
    tokens = PageTokens(settings.page_token_key.encode())
    service.service_keys = {"sales": settings.sales_key.encode()}
    service.servicers = [
        AccountServicer(tokens, ACCOUNT_SEARCH, service.directory, refuse_duplicates),
        AccountMemberServicer(tokens),
        ContactServicer(tokens),
        InteractionServicer(tokens),
        TimelineServicer(tokens, TIMELINE),
        RecordQualityServicer(),
        SourceValueServicer(),
        SegmentServicer(tokens, ACCOUNTS.listing, in_business),
        VisitServicer(tokens),
    ]
    service.resources = [ACCOUNTS, TRIED_MEMBERS, CONTACTS, INTERACTIONS, IMPORTS, SEGMENTS, VISITS]
    keep_quality(service, tokens)
    restrict_accounts(service)
    find_duplicates(service, tokens)
    service.resources += [TENANTS, TRIED_USERS, TEAMS, ROLES, IDENTITY_PROVIDERS, DELEGATIONS]
    service.resources += [DASHBOARDS, SAVED_VIEWS]
    issuer = build_issuer(service, settings)
    secrets = ClientSecrets(settings.signing_key_secret)
    service.servicers += [
        TenantServicer(service.directory),
        UserServicer(tokens, service.directory, issuer.passwords),
        UserSettingsServicer(),
        TeamServicer(tokens, service.directory),
        RoleServicer(tokens, service.directory),
        IdentityProviderServicer(tokens, secrets, loopback=settings.is_development),
        ApprovalDelegationServicer(tokens),
        DashboardServicer(tokens),
        SavedViewServicer(tokens),
        TokenServicer(issuer),
        SignInServicer(build_sign_ins(issuer, secrets, settings)),
    ]
    service.ready_reports = READY_REPORTS
    # Read once, while nobody waits for it.
    listed_collections()
    service.jobs.append(RoleRenewal(Tenants(service.database, service.clock), service.directory).job.run)
    service.jobs.append(IndexSorting(service.database).job.run)
    service.jobs.append(Missing(Tenants(service.database, service.clock)).job.run)
    mails = Mails(settings.console_url)
    service.resources += [NOTIFICATIONS, PREFERENCES]
    service.servicers += [NotificationServicer(tokens), NotificationPreferenceServicer()]
    service.jobs.append(Digests(Tenants(service.database, service.clock), mails).job.run)
    importing = ImportWorker(service.database, service.clock, service.directory, settings.issuer)
    service.servicers.append(ImportServicer(tokens, importing.wake, check_not_delivered))
    service.jobs_elsewhere[Kind.IMPORT] = JobsElsewhere(cancel_import_job, results_of, result_to_pb)
    service.jobs += [importing.run] * SIDE_BY_SIDE
    take_feeds(service, tokens, importing)
    follow_events(service.consumers, mails)
    tell_endpoints(service, settings, tokens)
    return service


def keep_quality(service: Service, tokens: PageTokens) -> None:
    """What is expected to be known of records, and who assesses them when that changes."""
    kept: list[AnyResource] = [ACCOUNTS, CONTACTS]
    assessing = Assessing(Tenants(service.database, service.clock), kept)
    service.resources.append(QUALITY_RULES)
    service.servicers.append(QualityRuleServicer(tokens, kept, assessing.job.wake))
    providing = RuleProviding(Tenants(service.database, service.clock), find_tenant)
    service.jobs += [assessing.job.run, providing.job.run]


def restrict_accounts(service: Service) -> None:
    """Which accounts are restricted by rule, and who carries that out."""
    carrying_out = CarryingOut(Tenants(service.database, service.clock), restrict_by_rule)
    service.servicers.append(AccountRestrictionServicer(carrying_out.job.wake))
    service.jobs.append(carrying_out.job.run)


def find_duplicates(service: Service, tokens: PageTokens) -> None:
    """Which accounts may be the same, who compares all of them, and who gives keys to those that have none yet."""
    tenants = Tenants(service.database, service.clock)
    service.resources.append(DUPLICATE_PAIRS)
    service.servicers += [DuplicateServicer(), DuplicatePairServicer(tokens)]
    service.job_kinds[Kind.DUPLICATE_SCAN] = Scanning(tenants)
    service.jobs_elsewhere[Kind.DUPLICATE_SCAN] = JobsElsewhere(cancel_scan, no_results, job_result_to_pb)
    service.jobs.append(KeyBackfill(tenants).job.run)


def take_feeds(service: Service, tokens: PageTokens, importing: ImportWorker) -> None:
    """Feeds of other systems: what they bring, and who carries it out."""
    tenants = Tenants(service.database, service.clock)
    carrying_out = CarryingOutFeeds(tenants, service.directory, importing.wake).job
    importing.after_each.append(carrying_out.wake)
    counting = [Counting(tenants, carrying_out.wake, small=small).job for small in (True, False)]

    def arrived() -> None:
        for job in counting:
            job.wake()

    service.resources += [FEEDS, FEED_DELIVERIES]
    service.servicers += [
        FeedServicer(tokens, carrying_out.wake),
        FeedDeliveryServicer(tokens, arrived, carrying_out.wake),
    ]
    service.jobs += [*(job.run for job in counting), carrying_out.run]


def tell_endpoints(service: Service, settings: CustomerSettings, tokens: PageTokens) -> None:
    """Webhooks: endpoints, what they are told, and who tells it."""
    tenants = Tenants(service.database, service.clock)
    secrets, caller = SigningSecrets(settings.signing_key_secret), Caller(settings.outbound_reach)
    service.resources += [ENDPOINTS, DELIVERIES]
    service.servicers += [
        WebhookEndpointServicer(
            tokens, secrets, Tests(caller), replay, loopback=settings.is_development, reach=settings.outbound_reach
        ),
        WebhookDeliveryServicer(tokens),
    ]
    sender = Sender(tenants, service.directory, caller, secrets)
    service.jobs.append(sender.run)
    hearing = Consumers(f"{service.name}_webhooks", service.database, service.clock)
    Hearing(tenants, sender.wake).follow(hearing)
    service.more_consumers.append(hearing)


def build_issuer(service: Service, settings: CustomerSettings) -> Issuer:
    """The built-in issuer of tokens."""
    return Issuer(
        database=service.database,
        keys=signing_keys(service, settings),
        passwords=Passwords(),
        name=settings.issuer,
        audience=settings.audience,
        access_token_seconds=settings.access_token_seconds,
        refresh_token_time=timedelta(days=settings.refresh_token_days),
        successor_key=derived_key(settings.signing_key_secret, b"guanxi refresh tokens"),
    )


def build_sign_ins(issuer: Issuer, secrets: ClientSecrets, settings: CustomerSettings) -> SignIns:
    """Signing in with the tenants' own providers."""
    return SignIns(
        issuer=issuer,
        providers=Providers(ProviderHttp(settings.outbound_reach), loopback=settings.is_development),
        secrets=secrets,
        sealer=Sealer(settings.signing_key_secret, b"guanxi sign-ins"),
        address=settings.issuer,
    )


def built_in_keys(service: Service) -> FetchKeys:
    """The built-in issuer's keys, read where they are made."""
    settings = service.settings
    assert isinstance(settings, CustomerSettings)
    return signing_keys(service, settings).jwks


def signing_keys(service: Service, settings: CustomerSettings) -> SigningKeys:
    """The issuer's keys of this installation."""
    secret = settings.signing_key_secret
    return SigningKeys(service.database, secret, token_seconds=settings.access_token_seconds)
