"""structlog, one JSON object a line, with the ids that find a request again. Never a body, never a sensitive field."""

import logging
import sys

import structlog

from crm_kit.telemetry import current


def _request_ids(_logger: object, _name: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    request = current.get()
    if request.request_id:
        line["request_id"] = request.request_id
    if request.trace_parent:
        line["trace_id"] = request.trace_parent[3:35]
    return line


def set_up(service: str, *, level: str, style: str) -> None:
    """Log to standard error as `json` or, for people, `console`."""
    threshold = logging.getLevelNamesMapping()[level.upper()]
    renderer = structlog.processors.JSONRenderer() if style == "json" else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _request_ids,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
