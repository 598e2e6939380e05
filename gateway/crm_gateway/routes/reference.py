"""The OpenAPI document and the reference pages made from it."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from crm_gateway.exchange import EXCHANGE_KEY
from crm_gateway.openapi.reference import Paper

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
    await _admit(request)
    document = await request.app.state.reference.read(Paper.OPENAPI)
    return Response(document, media_type="application/json", headers={"cache-control": "no-cache"})


@router.get("/docs")
async def docs(request: Request) -> Response:
    """The reference of all operations and schemas."""
    await _admit(request)
    return HTMLResponse(await request.app.state.reference.read(Paper.DOCS), headers=_PAGE_HEADERS)


@router.get("/docs/errors")
async def errors(request: Request) -> Response:
    """What each error reason means; problem documents link here."""
    await _admit(request)
    return HTMLResponse(await request.app.state.reference.read(Paper.ERRORS), headers=_PAGE_HEADERS)


async def _admit(request: Request) -> None:
    """Within the limits of whoever has no token: the documents are large, and anybody may ask for them."""
    await request.app.state.admission.admit(request.scope[EXCHANGE_KEY], public=True)
