"""The composition root: puts the gateway together from contracts and settings."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache, partial

from crm_kit.errors import CrmError
from crm_kit.thin_events.types import EventTypes
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from crm_gateway.admission import Admission, TokenVerifier
from crm_gateway.channels import Channels
from crm_gateway.contract import Contract
from crm_gateway.contract_check import contract_problems
from crm_gateway.custom_fields import CustomFieldLists
from crm_gateway.exchange import EXCHANGE_KEY, App, Disconnected
from crm_gateway.expansion import load_contract
from crm_gateway.files.places import Places
from crm_gateway.front import Front, problem_answer
from crm_gateway.large_answers import LargeAnswers
from crm_gateway.openapi.other_routes import other_routes
from crm_gateway.openapi.reference import Reference, archive_of, made_apart
from crm_gateway.presence.sharing import Presence
from crm_gateway.presence.telling import PresenceTelling
from crm_gateway.problems import Problem, ProblemError, Violation, from_crm_error, internal, unreadable, without_labels
from crm_gateway.routes import (
    account_360,
    approvals,
    attachments,
    dashboards,
    events,
    export,
    exported_files,
    health,
    metadata,
    presence,
    provider_sign_in,
    reference,
    reports,
    sessions,
    tasks,
    tus,
    uploads,
)
from crm_gateway.settings import Settings
from crm_gateway.streams.streams import Streams
from crm_gateway.tenant_zone import TenantZones
from crm_gateway.transcode.dispatch import Dispatcher
from crm_gateway.transcode.operations import Operation, operations

ROUTERS: tuple[APIRouter, ...] = (
    health.router,
    reference.router,
    account_360.router,
    approvals.router,
    tasks.router,
    reports.router,
    dashboards.router,
    events.router,
    uploads.router,
    attachments.router,
    presence.router,
    tus.router,
    export.router,
    exported_files.router,
    sessions.router,
    provider_sign_in.router,
    metadata.router,
)

_REASONS = {404: "ROUTE_NOT_FOUND", 405: "METHOD_NOT_ALLOWED"}


class ContractError(Exception):
    """The contracts are not whole; the message lists every problem."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What contracts alone decide of a gateway, whatever its settings."""

    served: Sequence[Operation]
    event_types: EventTypes
    descriptions: Mapping[str, metadata.Description]


@dataclass(frozen=True, slots=True)
class Gateway:
    """The ASGI application, that for probes, and what must be closed with them."""

    asgi: App
    health: App
    channels: Channels
    streams: Streams
    presence: Presence

    async def close(self, grace: float = 0.0) -> None:
        """End the streams, and close the channels; calls under way get `grace` seconds."""
        await self.streams.close()
        await self.presence.close()
        await self.channels.close(grace)


def create_app(
    settings: Settings, *, verifier: TokenVerifier | None = None, contract: Contract | None = None
) -> Gateway:
    """The gateway; ContractError when the contracts are not whole. Call it inside the running event loop."""
    offer = offer_of_build() if contract is None else offer_of(contract)
    served = offer.served
    channels = Channels(settings.addresses, max_message_bytes=settings.max_message_bytes)
    admission = Admission(settings, verifier)
    pages = _pages_app()
    pages.state.reference = Reference(
        made_apart if contract is None else partial(asyncio.to_thread, reference_of, contract)
    )
    pages.state.channels = channels
    pages.state.service_states = health.ServiceStates(channels)
    pages.state.admission = admission
    pages.state.settings = settings
    pages.state.labels_of = served[0].labels_of if served else without_labels
    pages.state.custom_fields = CustomFieldLists(served, channels)
    pages.state.tenant_zones = TenantZones(served, channels)
    pages.state.listed_collections = export.listed_collections(served, channels)
    pages.state.exported_files = exported_files.ExportedFiles(served, channels)
    pages.state.account_360 = account_360.Account360(served, channels)
    pages.state.waiting_approvals = approvals.WaitingApprovals(served, channels)
    pages.state.my_tasks = tasks.MyTasks(served, channels)
    pages.state.running_reports = running = reports.running_reports(served, channels)
    pages.state.dashboards = dashboards.Dashboards(served, channels, running)
    pages.state.metadata = metadata.MetadataDocuments(offer.descriptions, served, channels, settings)
    pages.state.sessions = sessions.Sessions(served, channels, settings)
    pages.state.sign_in_cookies = provider_sign_in.SignInCookies(settings)
    pages.state.event_types = offer.event_types
    pages.state.streams = streams = Streams(settings, offer.event_types, channels)
    pages.state.current_users = events.CurrentUsers(served, channels)
    pages.state.presence = present = Presence(settings.nats_url)
    streams.accompany(PresenceTelling(present, streams.viewers, offer.event_types))
    pages.state.presence_places = presence.Places(served, channels, pages.state.current_users)
    pages.state.file_places = Places(served, channels)
    pages.state.large_answers = large = LargeAnswers()
    # Those at paths of RPCs, or with verbs at the records of some.
    beside = other_routes([export.router, exported_files.router, presence.router])
    others = [(each.verb, each.path) for each in beside]
    dispatcher = Dispatcher(served, channels, admission, large, settings, others)
    pages.state.dispatcher = dispatcher
    front = Front(dispatcher, pages, large, settings)
    return Gateway(front, _health_app(pages.state.service_states), channels, streams, present)


def checked_contract() -> Contract:
    """The contracts of this build, refused with a list when something is missing in them."""
    contract = load_contract()
    if problems := contract_problems(contract):
        raise ContractError("the contracts cannot be served:\n" + "\n".join(f"  {line}" for line in problems))
    return contract


@cache
def offer_of_build() -> Offer:
    """That of the contracts of this build."""
    return offer_of(checked_contract())


def offer_of(contract: Contract) -> Offer:
    """What a gateway makes of contracts without problems."""
    served = list(operations(contract))
    return Offer(served, contract.event_types, metadata.descriptions_of(contract))


def reference_of(contract: Contract) -> bytes:
    """All that there is to read about the API of contracts, as `Reference` keeps it."""
    return archive_of(contract, operations(contract), other_routes(ROUTERS))


def _pages_app() -> FastAPI:
    """What is not one RPC: health, reference, and the routers of `routes/`."""
    app = FastAPI(
        title="Guanxi", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False, lifespan=_lifespan
    )
    for router in ROUTERS:
        app.include_router(router)
    app.add_exception_handler(HTTPException, _http_problem)
    app.add_exception_handler(RequestValidationError, _unreadable_problem)
    app.add_exception_handler(ProblemError, _own_problem)
    app.add_exception_handler(CrmError, _own_problem)
    app.add_exception_handler(Disconnected, _gone)
    app.add_exception_handler(Exception, _internal_problem)
    return app


def _health_app(states: health.ServiceStates) -> FastAPI:
    """What probes ask, and nothing else."""
    app = FastAPI(title="Guanxi", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.service_states = states
    app.include_router(health.router)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    yield
    await app.state.streams.close()
    await app.state.presence.close()
    await app.state.channels.close(0.0)


async def _http_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    reason = _REASONS.get(error.status_code, "INVALID_ARGUMENT" if error.status_code < 500 else "INTERNAL")
    headers = dict(error.headers or {})
    text, values = _remedy(request, reason) if error.status_code == 404 else ("", {})
    if "Allow" in headers:
        values = {"verbs": headers["Allow"]}
    return _response(request, Problem(error.status_code, reason, text=text, values=values), headers)


def _remedy(request: Request, reason: str) -> tuple[str, dict[str, str]]:
    """What may be meant where nothing is: a path that looks like it, or one of the verbs that there are."""
    dispatcher: Dispatcher = request.app.state.dispatcher
    raw_path = request.scope[EXCHANGE_KEY].raw_path
    if near := dispatcher.near(raw_path):
        return f"{reason}.near", {"near": near}
    if verbs := dispatcher.verbs(raw_path):
        return f"{reason}.verbs", {"verbs": ", ".join(verbs)}
    return "", {}


async def _unreadable_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    # The first part says where (path, query, body); the rest is the path of the field.
    violations = [Violation(".".join(map(str, each["loc"][1:])), each["type"], each["msg"]) for each in error.errors()]
    return _response(request, unreadable(violations))


async def _own_problem(request: Request, error: Exception) -> Response:
    """A problem or typed error that a route of `routes/` raises."""
    if isinstance(error, ProblemError):
        return _response(request, error.problem)
    assert isinstance(error, CrmError)
    return _response(request, from_crm_error(error))


async def _gone(_request: Request, _error: Exception) -> Response:
    """Nobody reads it, but the access log: it was no failure of ours."""
    return Response(status_code=400)


async def _internal_problem(request: Request, _error: Exception) -> Response:
    return _response(request, internal())


def _response(request: Request, problem: Problem, headers: Mapping[str, str] | None = None) -> Response:
    answer = problem_answer(problem, request.scope[EXCHANGE_KEY])
    own = {name.decode(): value.decode() for name, value in answer.headers}
    return Response(answer.body, answer.status, {**own, **(headers or {})})
