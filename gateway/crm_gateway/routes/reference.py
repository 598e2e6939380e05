"""The OpenAPI document and the reference pages made from it."""

from functools import partial

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from crm_gateway.exchange import EXCHANGE_KEY, Exchange
from crm_gateway.large_answers import LargeAnswers
from crm_gateway.openapi.reference import Paper, Reference, size_of, taken_from

router = APIRouter(include_in_schema=False)

# The pages bring all they need: no script, no font, no image comes from elsewhere.
_PAGE_HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "cache-control": "no-cache",
}


@router.get("/")
async def start() -> Response:
    """For who opens the address in a browser."""
    return RedirectResponse("/docs")


@router.get("/openapi.json")
async def openapi(request: Request) -> Response:
    """The OpenAPI 3.1 document."""
    document = await _read(request, Paper.OPENAPI)
    return Response(document, media_type="application/json", headers={"cache-control": "no-cache"})


@router.get("/docs")
async def docs(request: Request) -> Response:
    """The reference of all operations and schemas."""
    return HTMLResponse(await _read(request, Paper.DOCS), headers=_PAGE_HEADERS)


@router.get("/docs/errors")
async def errors(request: Request) -> Response:
    """What each error reason means; problem documents link here."""
    return HTMLResponse(await _read(request, Paper.ERRORS), headers=_PAGE_HEADERS)


async def _read(request: Request, paper: Paper) -> bytes:
    """A paper, within the limits of whoever has no token: they are large, and anybody may ask for them.

    Each reader holds one of their own, so it waits for room as every large answer does.
    """
    exchange: Exchange = request.scope[EXCHANGE_KEY]
    reference: Reference = request.app.state.reference
    large: LargeAnswers = request.app.state.large_answers
    await request.app.state.admission.admit(exchange, public=True)
    archive = await reference.archive()
    return await large.written(exchange, size_of(archive, paper), partial(taken_from, archive, paper))
