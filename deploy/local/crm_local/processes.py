"""Our own processes: what each is started with."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from crm_local.child import Program, inherited_environment
from crm_local.credentials import Credentials
from crm_local.forwarding import forwarded
from crm_local.nats import NatsServer
from crm_local.postgres import PostgresServer
from crm_local.probes import grpc_ready, http_ready
from crm_local.settings import GATEWAY, HOST, SERVICES, Ports

AUDIENCE = "guanxi"
DEMO_TENANT = "demo"
DEMO_LOGIN = "admin@demo.example"
SEED_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all processes share. `given` are settings of theirs that whoever starts them wants."""

    ports: Ports
    nats: NatsServer
    credentials: Credentials
    log_level: str
    log_format: str
    # Where files of records are kept, unless what is given says otherwise.
    files: Path
    otlp_endpoint: str = ""
    given: Mapping[str, str] = field(default_factory=dict)

    @property
    def rest_url(self) -> str:
        return f"http://{self.ports.address(GATEWAY)}"


def environment(process: str, around: Surroundings, postgres: PostgresServer) -> dict[str, str]:
    """The `CRM_...` variables of a service or of the gateway, each with nothing it does not need."""
    files = {"CRM_FILE_STORE_URL": around.files.as_uri()} if process in SERVICES else {}
    return files | forwarded(process, around.given) | decided(process, around, postgres)


def decided(process: str, around: Surroundings, postgres: PostgresServer) -> dict[str, str]:
    """Those that follow from how everything is put together here, whatever else is wanted."""
    values = {
        "CRM_LISTEN_ADDRESS": around.ports.address(process),
        **{f"CRM_{service.upper()}_ADDRESS": around.ports.address(service) for service in SERVICES},
        "CRM_ISSUER": around.rest_url,
        "CRM_AUDIENCE": AUDIENCE,
        "CRM_PAGE_TOKEN_KEY": around.credentials.page_token_key,
        "CRM_LOG_LEVEL": around.log_level,
        "CRM_LOG_FORMAT": around.log_format,
    }
    if around.otlp_endpoint:
        values["CRM_OTLP_ENDPOINT"] = around.otlp_endpoint
    values["CRM_NATS_URL"] = around.nats.url(process)
    if process in SERVICES:
        values["CRM_DATABASE_URL"] = postgres.service_url(process)
    if process == "customer":
        values["CRM_SIGNING_KEY_SECRET"] = around.credentials.signing_key_secret
    if process in ("customer", "sales", "scoring"):
        values["CRM_SALES_KEY"] = around.credentials.sales_key
    if process == "service_desk":
        values["CRM_CHANNEL_KEY_SECRET"] = around.credentials.channel_key_secret
    return values


def migration_environment(service: str, around: Surroundings, postgres: PostgresServer) -> dict[str, str]:
    """As the service's, and with the schema's owner."""
    return environment(service, around, postgres) | {"CRM_MIGRATION_DATABASE_URL": postgres.migration_url(service)}


def seed_environment(around: Surroundings, postgres: PostgresServer) -> dict[str, str]:
    """As the customer service's, and with the password of the demo tenant's people."""
    return environment("customer", around, postgres) | {"CRM_DEMO_PASSWORD": around.credentials.demo_password}


def service_program(service: str, variables: dict[str, str], ports: Ports, log: Path, seconds: float) -> Program:
    """A service that serves gRPC."""
    port = ports.of(service)
    return Program(
        name=service,
        command=_command(service, "serve"),
        log=log,
        environment=inherited_environment() | variables,
        ready=grpc_ready(HOST, port),
        address=ports.address(service),
        ready_seconds=seconds,
    )


def gateway_program(variables: dict[str, str], ports: Ports, log: Path, seconds: float) -> Program:
    """The gateway, which serves REST."""
    return Program(
        name=GATEWAY,
        command=_command(GATEWAY, "serve"),
        log=log,
        environment=inherited_environment() | variables,
        ready=http_ready(HOST, ports.gateway, "/health/ready"),
        address=ports.address(GATEWAY),
        ready_seconds=seconds,
    )


def command_program(service: str, what: str, variables: dict[str, str], log: Path) -> Program:
    """One command of a service that ends by itself, such as `migrate`."""
    return Program(
        name=f"{service} {what}",
        command=_command(service, what),
        log=log,
        environment=inherited_environment() | variables,
        ready_seconds=SEED_SECONDS,
    )


def _command(process: str, what: str) -> tuple[str, ...]:
    return (sys.executable, "-m", f"crm_{process}", what)
