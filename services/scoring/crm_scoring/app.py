"""The composition root of the scoring service: what it is made of, and nothing else."""

from datetime import timedelta
from pathlib import Path

from crm_kit.accounts import accounts_from, follow_accounts
from crm_kit.background import Tenants
from crm_kit.directory.projection import follow_directory
from crm_kit.identity.key_ring import FetchKeys
from crm_kit.paging import PageTokens
from crm_kit.rpc.clients import ServiceClient
from crm_kit.rpc.keys import keys_from_customer
from crm_kit.service import Service

from crm_scoring.accounts.tables import accounts
from crm_scoring.consumers import credit_shown_anew, follow_facts
from crm_scoring.credit.reservations import Reservations
from crm_scoring.credit.resource import CREDIT_LIMITS, SETTING_CREDIT_LIMITS
from crm_scoring.credit.rules import CreditRules
from crm_scoring.credit.servicer import CreditServicer
from crm_scoring.ready_reports import READY_REPORTS
from crm_scoring.scores.rescoring import Rescoring
from crm_scoring.scores.resource import SCORES
from crm_scoring.scores.scoring import ScoringRules
from crm_scoring.scores.servicer import ScoreServicer
from crm_scoring.scores.value_tier import TierThresholds
from crm_scoring.settings import ScoringSettings
from crm_scoring.tables import metadata

SETTINGS = ScoringSettings


def build(settings: ScoringSettings) -> Service:
    """Put the service together."""
    service = Service("scoring", settings, metadata, Path(__file__).parent)
    tokens = PageTokens(settings.page_token_key.encode())
    peer = ServiceClient(settings.customer_address, name="customer")
    known, credit = accounts_from(peer, accounts), credit_rules(settings)
    service.servicers = [
        ScoreServicer(tokens, known),
        CreditServicer(
            known,
            rules=credit,
            reserve_for=timedelta(minutes=settings.credit_reservation_minutes),
        ),
    ]
    service.ready_reports = READY_REPORTS
    service.resources = [SCORES, CREDIT_LIMITS]
    service.approvables = [SETTING_CREDIT_LIMITS]
    service.service_keys = {"sales": settings.sales_key.encode()}
    # Of an account there is one limit, which has its id.
    service.names = {"accounts": accounts, "credit_limits": accounts}
    follow_directory(service.consumers, service.directory)
    follow_accounts(service.consumers, accounts, on_owner_changed=credit_shown_anew(service.outdating))
    follow_facts(service.consumers, credit=credit, rescoring_delay_seconds=settings.rescoring_delay_seconds)
    rescoring = Rescoring(Tenants(service.database, service.clock), scoring_rules(settings))
    reservations = Reservations(Tenants(service.database, service.clock))
    service.jobs += [rescoring.job.run, reservations.job.run]
    service.closers.append(peer.close)
    return service


def scoring_rules(settings: ScoringSettings) -> ScoringRules:
    """How tenants are scored in this installation."""
    thresholds = TierThresholds(
        settings.tier_key_percent,
        settings.tier_major_percent,
        settings.tier_standard_percent,
        settings.min_contributing_accounts,
    )
    return ScoringRules(settings.score_window_days, settings.min_buyers, thresholds)


def credit_rules(settings: ScoringSettings) -> CreditRules:
    """When an order may go out on credit in this installation."""
    return CreditRules(
        tolerance_percent=settings.credit_tolerance_percent,
        max_overdue_days=settings.credit_max_overdue_days,
        unlimited_without_limit=settings.credit_without_limit == "APPROVED",
    )


def built_in_keys(service: Service) -> FetchKeys:
    """The built-in issuer's keys, asked of the customer service."""
    return keys_from_customer(service.settings.customer_address)
