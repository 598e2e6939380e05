import io

import pytest
from crm_local.failure import LocalFailure
from crm_local.terminal import Terminal


class Screen(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_finished_step_is_one_line_with_its_seconds() -> None:
    stream, clock = io.StringIO(), Clock()
    terminal = Terminal(stream, clock)
    async with terminal.step("NATS") as step:
        clock.now = 1.25
        step.detail = "127.0.0.1:7422"
    assert stream.getvalue() == "ok   1.2 s  NATS: 127.0.0.1:7422\n"


async def test_a_failed_step_says_so_and_the_failure_goes_on() -> None:
    stream = io.StringIO()
    with pytest.raises(LocalFailure, match="no oil"):
        async with Terminal(stream, Clock()).step("pump"):
            raise LocalFailure("no oil")
    assert stream.getvalue() == "FAILED   0.0 s  pump\n"


async def test_on_a_terminal_signs_are_used_and_the_live_line_is_erased_first() -> None:
    screen = Screen()
    terminal = Terminal(screen, Clock())
    async with terminal.step("pump"):
        terminal.say("by the way")
    assert screen.getvalue() == "\r\x1b[Kby the way\n\r\x1b[K ✓   0.0 s  pump\n\r\x1b[K"


def test_telling_goes_on_when_nobody_reads_any_more() -> None:
    stream = io.StringIO()
    stream.close()
    Terminal(stream, Clock()).say("hello?")
    assert stream.closed
