"""`python -m crm_local` as a person uses it, with real PostgreSQL and NATS and stand-ins for the rest."""

import contextlib
import io
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import psutil
import psycopg
import pytest
from crm_local.__main__ import main
from crm_local.credentials import load_credentials
from crm_local.leftovers import wait_ended
from crm_local.place import delete_place
from crm_local.port_check import free_ports, is_free
from crm_local.run_folder import RunFolder
from crm_local.settings import BACKENDS, PROCESSES, SERVICES, Ports, port_setting

PATIENCE_SECONDS = 90
GIVEN = {
    "CRM_CORS_ALLOWED_ORIGINS": "http://localhost:5173",
    "CRM_REOPEN_DAYS": "7",
    "CRM_CORS_ALLOWED_ORIGIN": "http://localhost:5173",
    "CRM_DATABASE_URL": "postgresql://somewhere.example/else",
    "CRM_LOG_LEVEL": "debug",
}


class Runner:
    def __init__(self, folder: Path, ports: Ports) -> None:
        self.folder, self.ports = folder, ports
        ports_set = {port_setting(name): str(ports.of(name)) for name in PROCESSES}
        self.settings = ports_set | {"CRM_LOCAL_RUN_FOLDER": str(folder)}
        self.environment = os.environ | self.settings | GIVEN

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "crm_local", *arguments]

    def failing_run(self) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command("run"), env=self.environment, capture_output=True, text=True, check=False)

    def ask(self, what: str) -> tuple[int, str]:
        """Exit code and all that was said, without the cost of one more process."""
        said = io.StringIO()
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.settings.items():
                patch.setenv(name, value)
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
                code = main([what])
        return code, said.getvalue()

    @contextlib.contextmanager
    def running(self) -> Iterator["Running"]:
        with subprocess.Popen(
            self.command("run"),
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                assert process.stdout is not None
                yield Running(process, process.stdout)
            finally:
                process.kill()

    def children(self) -> dict[str, int]:
        return {one.name: one.pid for one in RunFolder(self.folder).read_sightings() if one.pid}

    def rows(self, service: str) -> int:
        password = load_credentials(self.folder / "secrets.json").roles[f"crm_{service}"]
        where = f"postgresql://crm_{service}:{password}@127.0.0.1:{self.ports.postgres}/crm_{service}"
        with psycopg.connect(where) as connection:
            return len(connection.execute("SELECT FROM starts").fetchall())


class Running:
    def __init__(self, process: subprocess.Popen[str], output: IO[str]) -> None:
        self.process = process
        self.told = ""
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, args=(output,), daemon=True)
        self._reader.start()

    def until(self, text: str) -> str:
        while text not in self.told:
            line = self._lines.get(timeout=PATIENCE_SECONDS)
            assert line, f"it ended without {text!r}:\n{self.told}"
            self.told += line
        return self.told

    def end(self, what: signal.Signals) -> int:
        self.process.send_signal(what)
        code = self.process.wait(PATIENCE_SECONDS)
        self._reader.join()
        while line := self._lines.get():
            self.told += line
        return code

    def _read(self, output: IO[str]) -> None:
        for line in output:
            self._lines.put(line)
        self._lines.put("")


@pytest.fixture
def runner(open_folder: Path, stand_ins: Path) -> Iterator[Runner]:
    runner = Runner(open_folder / "run", free_ports())
    yield runner
    delete_place(runner.folder / "postgres")


def gone(pids: dict[str, int]) -> bool:
    processes = []
    for pid in pids.values():
        with contextlib.suppress(psutil.NoSuchProcess):
            processes.append(psutil.Process(pid))
    return not wait_ended(processes, seconds=PATIENCE_SECONDS)


def test_one_command_starts_everything_survives_kills_and_keeps_the_data(runner: Runner) -> None:
    with runner.running() as first:
        first.until("ready after")
        where_everything_is_was_told(runner, first.told)
        settings_reach_the_processes_that_read_them(runner, first.told)
        the_running_one_is_found_and_left_alone(runner, first)
        who_does_not_answer_is_not_ready(runner)
        a_killed_service_comes_again(runner, first)
        children = runner.children()
        assert len(children) == 7
        assert first.end(signal.SIGKILL) == -signal.SIGKILL
        assert gone(children)
        assert is_free(runner.ports.postgres)
    assert runner.ask("status") == (3, f"not running from {runner.folder}\n")

    with runner.running() as second:
        second.until("ready after")
        children = runner.children()
        assert runner.rows("scoring") == 2
        assert (runner.folder / "logs" / "initdb.log").read_text().count("----") == 1
        assert second.end(signal.SIGTERM) == 0
        assert "Traceback" not in second.told
        assert gone(children)
    assert runner.ask("token") == (1, f"error: not running from {runner.folder}: `make run` starts it\n")
    code, forgotten = runner.ask("reset")
    assert code == 0
    assert str(runner.folder) in forgotten
    assert not runner.folder.exists()


def where_everything_is_was_told(runner: Runner, told: str) -> None:
    ports = runner.ports
    for text in (f"http://127.0.0.1:{ports.gateway}/docs", "/openapi.json", "/health/services", "secrets.json", "logs"):
        assert text in told
    for name in (*SERVICES, *BACKENDS):
        assert f"127.0.0.1:{ports.of(name)}" in told
    curl = next(line for line in told.splitlines() if line.strip().startswith("curl "))
    answer = subprocess.run(["bash", "-c", curl], capture_output=True, text=True, check=True)
    assert answer.stdout == '{"access_token": "a.b.c"}'


def settings_reach_the_processes_that_read_them(runner: Runner, told: str) -> None:
    seen = {name: psutil.Process(pid).environ() for name, pid in runner.children().items()}
    assert seen["gateway"]["CRM_CORS_ALLOWED_ORIGINS"] == "http://localhost:5173"
    assert [name for name, variables in seen.items() if "CRM_REOPEN_DAYS" in variables] == ["service_desk"]
    assert "somewhere.example" not in str(seen)
    assert {variables["CRM_LOG_LEVEL"] for variables in seen.values() if "CRM_LOG_LEVEL" in variables} == {"info"}
    assert [line for line in told.splitlines() if line.startswith("warning: CRM_")] == [
        "warning: CRM_CORS_ALLOWED_ORIGIN is no setting of any process, did you mean CRM_CORS_ALLOWED_ORIGINS?",
        "warning: CRM_DATABASE_URL is not passed on, it is decided here",
        "warning: CRM_LOG_LEVEL is not passed on, it is decided here; CRM_LOCAL_LOG_LEVEL changes it",
    ]


def the_running_one_is_found_and_left_alone(runner: Runner, running: Running) -> None:
    assert runner.ask("token") == (0, "a.b.c\n")
    code, status = runner.ask("status")
    assert code == 0
    assert states(status) == dict.fromkeys(PROCESSES, "ready")
    again = runner.failing_run()
    assert again.returncode == 1
    assert again.stderr.count("\n") == 1
    assert f"already running from {runner.folder} (pid {running.process.pid}" in again.stderr
    code, refusal = runner.ask("reset")
    assert code == 1
    assert "stop that first" in refusal
    assert (runner.folder / "postgres" / "data").exists()


def who_does_not_answer_is_not_ready(runner: Runner) -> None:
    names = {"postgres", "nats", "scoring", "gateway"}
    frozen = [pid for name, pid in runner.children().items() if name in names]
    for pid in frozen:
        os.kill(pid, signal.SIGSTOP)
    try:
        code, status = runner.ask("status")
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    assert code == 4
    assert states(status) == {name: "no answer" if name in names else "ready" for name in PROCESSES}
    assert f"{runner.folder}/logs/<process>.log" in status


def states(status: str) -> dict[str, str]:
    """The state of each process, of lines such as `  scoring      no answer    127.0.0.1:7004   pid 12 ...`."""
    lines = [line.partition(" 127.0.0.1:")[0].split(maxsplit=1) for line in status.splitlines() if "  pid " in line]
    return {name: state.strip() for name, state in lines}


def a_killed_service_comes_again(runner: Runner, running: Running) -> None:
    os.kill(runner.children()["sales"], signal.SIGKILL)
    told = running.until("sales is ready again")
    assert "sales was killed by SIGKILL" in told
    assert "    serving\n" in told
    assert str(runner.folder / "logs" / "sales.log") in told
    assert runner.rows("sales") == 2


def test_a_busy_port_is_told_with_who_wants_it_and_what_to_set(runner: Runner) -> None:
    with socket.create_server(("127.0.0.1", runner.ports.sales)):
        refused = runner.failing_run()
    assert refused.returncode == 1
    assert f"port {runner.ports.sales}, which sales wants, is taken by" in refused.stderr
    assert "CRM_LOCAL_SALES_PORT" in refused.stderr
    assert f"pid {os.getpid()}" in refused.stderr


def test_a_start_that_fails_or_is_stopped_half_way_leaves_nothing_behind(runner: Runner, stand_ins: Path) -> None:
    (stand_ins / "crm_scoring" / "__main__.py").write_text("raise SystemExit('no such column: colour')")
    failed = runner.failing_run()
    assert failed.returncode == 1
    assert "scoring migrate ended with code 1" in failed.stderr
    assert "no such column: colour" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert is_free(runner.ports.postgres)
    assert is_free(runner.ports.nats)

    with runner.running() as running:
        running.until("PostgreSQL: ")
        children = runner.children()
        assert children.keys() >= {"postgres"}
        assert running.end(signal.SIGINT) == 0
        assert "Traceback" not in running.told
        assert gone(children)
    assert RunFolder(runner.folder).holder() is None
