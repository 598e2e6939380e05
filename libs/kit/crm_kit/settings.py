"""What a process reads from its environment. A setting that makes no sense stops the start with one line."""

import os
import sys
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from crm_kit.identity.issuers import OidcIssuer
from crm_kit.mail.server import MailServer, mail_server

PREFIX = "CRM_"
DatabaseUrl = Annotated[str, Meta(pattern=r"^postgres(ql)?://")]
Address = Annotated[str, Meta(min_length=1)]
Ratio = Annotated[float, Meta(ge=0, le=1)]


class Settings(Struct, kw_only=True):
    """Each field is the variable `CRM_<FIELD>`. Texts of a list are separated by commas; other lists are JSON.

    What depends on more than the value's type `__post_init__` refuses, with a ValueError that begins `<field>: `.
    """

    def __repr__(self) -> str:
        # Some are secrets.
        return type(self).__name__


Kind = TypeVar("Kind", bound=Settings)


class ServiceSettings(Settings, kw_only=True):
    """Common to all services."""

    database_url: DatabaseUrl
    database_pool_size: Annotated[int, Meta(ge=1, le=200)] = 10
    # Where people see records, for links in mails, such as https://crm.example.org; without it mails have none.
    console_url: Annotated[str, Meta(pattern=r"^(https?://[^\s]+)?$")] = ""
    # Where things are has no default: one that is forgotten would be looked for on this machine, for ever.
    nats_url: Annotated[str, Meta(pattern=r"^(nats|tls)://")]
    listen_address: Annotated[str, Meta(pattern=r"^.+:[0-9]{1,5}$")] = "127.0.0.1:7000"
    customer_address: Address
    sales_address: Address
    service_desk_address: Address
    scoring_address: Address
    issuer: Annotated[str, Meta(pattern=r"^https?://")]
    audience: str = "guanxi"
    oidc_issuers: tuple[OidcIssuer, ...] = ()
    page_token_key: Annotated[str, Meta(min_length=16)]
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"
    otlp_endpoint: str = ""
    trace_sample_ratio: Ratio = 0.01
    drain_seconds: Annotated[float, Meta(ge=0, le=300)] = 20
    connection_max_age_seconds: Annotated[int, Meta(ge=10)] = 300
    # Whether callers may send many calls over one stream; without it each call is one of gRPC's own.
    links: bool = True
    # Where the bytes of attachments are: file:///var/lib/guanxi/files, or s3://bucket/path; empty: none are taken.
    file_store_url: Annotated[str, Meta(pattern=r"^(|file:///.+|s3://[^/]+.*)$")] = ""
    # Of a bucket that is not Amazon's: https://host:port. Keys are looked for as Amazon's programs do when not given.
    file_store_endpoint: Annotated[str, Meta(pattern=r"^(|https?://.+)$")] = ""
    file_store_region: str = "us-east-1"
    file_store_access_key: str = ""
    file_store_secret_key: str = ""
    # Of one attachment; what is larger takes longer to look at than a request may.
    max_attachment_bytes: Annotated[int, Meta(ge=1, le=256 * 1024 * 1024)] = 100 * 1024 * 1024
    # Of all attachments that a tenant has at one service.
    max_tenant_attachment_bytes: Annotated[int, Meta(ge=1)] = 50 * 1024 * 1024 * 1024
    # The mail server: smtp://host:25, starttls://user:password@host:587, smtps://user:password@host:465; or no mail.
    smtp_url: str = ""
    # Who mail is from, such as Guanxi <crm@example.org>; needed with `smtp_url`.
    mail_from: str = ""

    def __post_init__(self) -> None:
        if int(self.listen_address.rpartition(":")[2]) > 65535:
            raise ValueError("listen_address: port must be at most 65535")
        _ = self.mail_server

    @property
    def mail_server(self) -> MailServer | None:
        """Where mail is handed in; None where the installation sends none."""
        return mail_server(self.smtp_url, self.mail_from) if self.smtp_url else None


class MigrationSettings(Settings, kw_only=True):
    """All that `migrate` reads: it needs none of the secrets that a service serves with."""

    # As the owner of the schema.
    migration_database_url: DatabaseUrl
    # As the service works: its role is given what it needs of the schema.
    database_url: Annotated[str, Meta(pattern=r"^postgres(ql)?://[^/@:]+[:@]")]


def read_settings(kind: type[Kind]) -> Kind:
    """The settings from the environment; one line on standard error and exit code 2 when they make no sense."""
    values: dict[str, Any] = {}
    problems = []
    for field in msgspec.structs.fields(kind):
        name = f"{PREFIX}{field.name.upper()}"
        text = os.environ.get(name)
        if text is not None:
            try:
                values[field.name] = _value(text, field.type)
            except (msgspec.MsgspecError, ValueError) as error:
                problems.append(f"{name}: {error}")
        elif field.required:
            problems.append(f"{name}: Field required")
    if not problems:
        try:
            return kind(**values)
        except ValueError as error:
            field_name, _, problem = str(error).partition(": ")
            problems.append(f"{PREFIX}{field_name.upper()}: {problem}")
    sys.stderr.write("settings: " + "; ".join(problems) + "\n")
    raise SystemExit(2)


def _value(text: str, kind: Any) -> Any:
    if get_origin(kind) in (list, tuple):
        if get_args(kind)[0] is str and not text.lstrip().startswith("["):
            return msgspec.convert([part.strip() for part in text.split(",") if part.strip()], kind)
        return msgspec.json.decode(text, type=kind)
    return msgspec.convert(text, kind, strict=False)
