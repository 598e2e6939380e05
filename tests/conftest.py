"""What holds for all tests."""

import structlog
from hypothesis import settings

# A busy machine is no defect of the code under test.
settings.register_profile("guanxi", deadline=None)
settings.load_profile("guanxi")
# As the services log it: a traceback with the values of all variables takes half a second.
structlog.configure(
    processors=[
        structlog.processors.add_log_level,
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)
