"""The gateway's commands.

python -m crm_gateway serve      serve REST on CRM_LISTEN_ADDRESS
python -m crm_gateway routes     print verb, path, RPC and permission of every route
python -m crm_gateway openapi    print the OpenAPI document
python -m crm_gateway reference  write the document and its pages, as a ZIP archive
"""

import sys

import orjson
import uvloop
from crm_kit import logging, telemetry
from crm_kit.garbage import collect_seldom, return_freed_memory
from crm_kit.settings import read_settings

from crm_gateway.app import ROUTERS, ContractError, checked_contract, create_app, reference_of
from crm_gateway.departure import DepartingServer, Departure
from crm_gateway.listening import probed, uvicorn_config
from crm_gateway.openapi.document import openapi_document
from crm_gateway.openapi.other_routes import other_routes
from crm_gateway.settings import Settings
from crm_gateway.transcode.operations import operations
from crm_gateway.verification import verified_callers


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT; requests under way are finished first."""
    logging.set_up("gateway", level=settings.log_level, style=settings.log_format)
    telemetry.set_up("gateway", endpoint=settings.otlp_endpoint, sample_ratio=settings.trace_sample_ratio)
    gateway = create_app(settings, verifier=verified_callers(settings))
    collect_seldom()
    return_freed_memory()
    departure = Departure(gateway.asgi, gateway.streams.leave)
    async with probed(gateway.health, settings):
        await DepartingServer(uvicorn_config(departure, settings), departure, settings.departure_seconds).serve()


def routes_table() -> str:
    """All routes, aligned."""
    rows = [
        (each.binding.verb, each.binding.template, each.rpc.full_name, each.rpc.permission)
        for each in operations(checked_contract())
    ]
    rows += [
        (each.verb, each.path, each.entry["operationId"], each.entry["x-permission"]) for each in other_routes(ROUTERS)
    ]
    rows.sort(key=lambda row: (row[1], row[0]))
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def openapi_text() -> str:
    """The OpenAPI document, indented for review."""
    contract = checked_contract()
    return orjson.dumps(
        openapi_document(contract, operations(contract), other_routes(ROUTERS)), option=orjson.OPT_INDENT_2
    ).decode()


def main(arguments: list[str]) -> None:
    match arguments:
        case ["serve"]:
            uvloop.run(serve(read_settings(Settings)))
        case ["routes"]:
            sys.stdout.write(routes_table() + "\n")
        case ["openapi"]:
            sys.stdout.write(openapi_text() + "\n")
        case ["reference"]:
            sys.stdout.buffer.write(reference_of(checked_contract()))
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except ContractError as error:
        raise SystemExit(f"gateway: {error}") from None
