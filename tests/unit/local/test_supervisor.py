import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from crm_local.child import Child, Program, inherited_environment, run_to_end
from crm_local.failure import LocalFailure
from crm_local.leftovers import end_sighted, wait_ended
from crm_local.supervisor import State, Supervisor

PATIENCE_SECONDS = 60.0
STAYS = "import signal, time; print('here', flush=True); open({mark!r}, 'a').write('x'); signal.pause()"


class Told:
    """What was said, and a way to wait for it."""

    def __init__(self) -> None:
        self.text = ""
        self._more = asyncio.Event()

    def say(self, text: str) -> None:
        self.text += f"{text}\n"
        self._more.set()

    async def until(self, text: str) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while text not in self.text:
                self._more.clear()
                await self._more.wait()


def python(folder: Path, name: str, source: str) -> Program:
    return Program(
        name=name,
        command=(sys.executable, "-I", "-S", "-c", source),
        log=folder / f"{name}.log",
        environment=inherited_environment(),
    )


def ready_with(mark: Path, program: Program) -> Program:
    """Ready when it has left its mark."""

    async def ready() -> bool:
        return await asyncio.to_thread(mark.exists)

    return replace(program, ready=ready)


def staying(folder: Path, name: str) -> Program:
    """A program that stays."""
    mark = folder / f"{name}.mark"

    async def prepare() -> None:
        await asyncio.to_thread(mark.unlink, missing_ok=True)

    return replace(ready_with(mark, python(folder, name, STAYS.format(mark=str(mark)))), prepare=prepare)


async def test_a_killed_child_is_started_again_with_its_last_lines_told(tmp_path: Path) -> None:
    told = Told()
    supervisor = Supervisor(told.say)
    await supervisor.start(staying(tmp_path, "pump"))
    first = supervisor.sighting("pump")
    supervisor.send("pump", signal.SIGKILL)
    async with asyncio.timeout(PATIENCE_SECONDS):
        await supervisor.ready("pump")
    second = supervisor.sighting("pump")
    await told.until("pump is ready again")
    await supervisor.stop()
    assert "pump was killed by SIGKILL; it is started again" in told.text
    assert "    here\n" in told.text
    assert str(tmp_path / "pump.log") in told.text
    assert (first.restarts, second.restarts) == (0, 1)
    assert first.pid != second.pid
    assert supervisor.sightings() == []


async def test_a_child_that_keeps_crashing_is_tried_again_after_longer_and_longer_times(tmp_path: Path) -> None:
    told = Told()
    supervisor = Supervisor(told.say)
    mark = tmp_path / "once"
    source = (
        f"import os, signal\nif os.path.exists({str(mark)!r}): raise SystemExit(7)\n"
        f"open({str(mark)!r}, 'w')\nsignal.pause()"
    )
    await supervisor.start(ready_with(mark, python(tmp_path, "lamp", source)))
    supervisor.send("lamp", signal.SIGTERM)
    await told.until("started again in 0.4 s")
    await supervisor.stop()
    assert "lamp was killed by SIGTERM; it is started again in 0.1 s" in told.text
    assert "lamp ended with code 7; it is started again in 0.2 s" in told.text


async def test_a_child_that_ends_before_it_is_ready_fails_the_start_with_what_it_wrote(tmp_path: Path) -> None:
    supervisor = Supervisor(Told().say)

    async def never() -> bool:
        return False

    broken = replace(python(tmp_path, "broken", "print('older'); raise SystemExit('no oil')"), ready=never)
    with pytest.raises(LocalFailure, match=r"(?s)broken ended with code 1.*    no oil"):
        await supervisor.start(broken, staying(tmp_path, "other"))
    other = supervisor.sighting("other")
    await supervisor.stop()
    assert not other.pid or not psutil.pid_exists(other.pid)


async def test_only_lines_of_this_life_are_told(tmp_path: Path) -> None:
    with pytest.raises(LocalFailure):
        await run_to_end(python(tmp_path, "job", "raise SystemExit('first trouble')"))
    with pytest.raises(LocalFailure) as second:
        await run_to_end(python(tmp_path, "job", "raise SystemExit('second trouble')"))
    assert "second trouble" in str(second.value)
    assert "first trouble" not in str(second.value)
    assert "first trouble" in (tmp_path / "job.log").read_text()


async def test_a_job_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    job = replace(python(tmp_path, "job", "import signal; signal.pause()"), ready_seconds=0.5)
    with pytest.raises(LocalFailure, match="took more than"):
        await run_to_end(job)


async def test_a_child_that_is_never_ready_is_killed_and_told(tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    slow = replace(python(tmp_path, "slow", "import signal; signal.pause()"), ready=never, ready_seconds=0.3)
    supervisor = Supervisor(Told().say)
    with pytest.raises(LocalFailure, match="slow was not ready within 0 s and was killed"):
        await supervisor.start(slow)
    assert supervisor.sighting("slow").pid == 0
    await supervisor.stop()


async def test_what_was_started_last_is_stopped_first(tmp_path: Path) -> None:
    order = tmp_path / "order"
    supervisor = Supervisor(Told().say)
    for name in ("store", "service", "door"):
        mark = tmp_path / f"{name}.mark"
        source = (
            "import signal, sys\n"
            f"def end(*_): open({str(order)!r}, 'a').write('{name} '); sys.exit()\n"
            f"signal.signal(signal.SIGTERM, end); open({str(mark)!r}, 'w')\nsignal.pause()"
        )
        await supervisor.start(ready_with(mark, python(tmp_path, name, source)))
    await supervisor.stop()
    assert order.read_text() == "door service store "


async def test_a_stubborn_child_is_killed_and_that_is_told(tmp_path: Path) -> None:
    told = Told()
    supervisor = Supervisor(told.say)
    mark = tmp_path / "mark"
    source = f"import signal\nsignal.signal(15, signal.SIG_IGN); open({str(mark)!r}, 'w')\nwhile True: signal.pause()"
    mule = ready_with(mark, python(tmp_path, "mule", source))
    await supervisor.start(replace(mule, stop_seconds=0.3))
    pid = supervisor.sighting("mule").pid
    await supervisor.stop()
    assert "mule did not stop within 0 s and was killed" in told.text
    assert not psutil.pid_exists(pid)


async def test_a_halted_child_stops_without_force(tmp_path: Path) -> None:
    told = Told()
    supervisor = Supervisor(told.say)
    await supervisor.start(replace(staying(tmp_path, "statue"), stop_seconds=PATIENCE_SECONDS))
    supervisor.send("statue", signal.SIGSTOP)
    assert supervisor.sighting("statue").state is State.READY
    await supervisor.stop()
    assert told.text == ""


async def test_a_child_without_its_program_says_which_is_missing(tmp_path: Path) -> None:
    program = replace(python(tmp_path, "ghost", ""), command=("/no/such/program",))
    with pytest.raises(LocalFailure, match="/no/such/program: No such file"):
        await run_to_end(program)


async def test_leftovers_are_ended_but_a_pid_that_came_again_is_left_alone(tmp_path: Path) -> None:
    supervisor = Supervisor(Told().say)
    await supervisor.start(staying(tmp_path, "pump"))
    sighting = supervisor.sighting("pump")
    assert await asyncio.to_thread(end_sighted, [replace(sighting, created=sighting.created - 5)]) == []
    assert psutil.pid_exists(sighting.pid)
    await supervisor.stop()

    child = await Child.start(staying(tmp_path, "left"))
    left = replace(sighting, name="left", pid=child.pid, created=child.created)
    assert await asyncio.to_thread(end_sighted, [left]) == ["left"]
    assert await child.wait() == -signal.SIGTERM


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a child to its parent")
def test_a_child_does_not_outlive_a_killed_supervisor(tmp_path: Path) -> None:
    source = f"""
import asyncio, sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from crm_local.supervisor import Supervisor
from test_supervisor import staying

async def main():
    supervisor = Supervisor(print)
    await supervisor.start(staying(Path({str(tmp_path)!r}), "pump"))
    print(supervisor.sighting("pump").pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        os.kill(parent.pid, signal.SIGKILL)
        assert wait_ended([child], seconds=PATIENCE_SECONDS) == []
