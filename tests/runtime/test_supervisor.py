import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from runtime_helpers import alive, helper, kill_9, listening, poll

from billing_worker.runtime import Process, RuntimeProblem, Supervisor, free_port, output
from billing_worker.runtime.children import guardian

pytestmark = pytest.mark.integration

SERVER = (
    "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); print('up'); time.sleep(600)"
)
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.signal(signal.SIGINT, signal.SIG_IGN);"
# A supervisor in a process of its own: PROCESSES is filled in, each event is a line on stdout.
RUNNER = f"""
import signal, sys
from billing_worker.runtime import Process, Supervisor
SERVER, STUBBORN = {SERVER!r}, {STUBBORN!r}
def python(name, code, *arguments, **options):
    return Process(name, [sys.executable, "-c", code, *arguments], **options)
processes = [PROCESSES]
supervisor = Supervisor(processes, print)
with supervisor:
    print("returned", supervisor.run())
print("end")
"""


def runner(processes: str) -> str:
    return RUNNER.replace("PROCESSES", processes)


def python(name: str, code: str, *arguments: object, **options: object) -> Process:
    return Process(name, [sys.executable, "-c", code, *map(str, arguments)], **options)


def read_until(process: subprocess.Popen[str], pattern: str) -> str:
    """Read the helper's lines until all of them together contain the pattern."""
    text = ""
    while not re.search(pattern, text):
        line = process.stdout.readline()
        assert line, f"ended without {pattern}: {text}"
        text += line
    return text


def pids_in(text: str) -> dict[str, int]:
    return {name: int(pid) for name, pid in re.findall(r"^(\S+): started, pid (\d+)$", text, re.MULTILINE)}


def seen(lines: list[str], text: str) -> Callable[[], bool]:
    return lambda: any(text in line for line in lines)


def test_events_and_output_are_told_and_nothing_is_left(tmp_path: Path) -> None:
    lines: list[str] = []
    port = free_port()
    supervisor = Supervisor(
        [
            python("web", SERVER, port, ready=lambda: listening(port), cwd=tmp_path),
            python(
                "talker", "import os; print(os.environ['WORD']); import time; time.sleep(600)", env={"WORD": "hello"}
            ),
        ],
        lines.append,
    )
    with supervisor:
        pids = supervisor.pids
        assert supervisor.run(until=lambda: supervisor.ready and seen(lines, "talker | hello")())
        assert listening(port)
    assert not listening(port)
    assert not any(map(alive, pids.values()))
    assert f"web: started, pid {pids['web']}" in lines
    assert re.search(r"^web: ready after \d+\.\d s$", "\n".join(lines), re.MULTILINE)
    stops = [line for line in lines if "stopped" in line]
    assert stops == ["talker: stopped, ended by SIGTERM", "web: stopped, ended by SIGTERM"]


def test_a_process_is_ready_when_it_made_its_own_sign_and_not_by_that_of_the_one_before(tmp_path: Path) -> None:
    sign, go = tmp_path / "worker.alive", tmp_path / "go"
    sign.touch()
    lines: list[str] = []
    waits = (
        "import pathlib, sys, time\n"
        "while not pathlib.Path(sys.argv[2]).exists(): time.sleep(0.01)\n"
        "pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
    )
    supervisor = Supervisor([python("worker", waits, sign, go, sign=sign)], lines.append)
    looks = iter(range(5))
    with supervisor:
        assert supervisor.run(until=lambda: next(looks, None) is None)
        assert not supervisor.ready
        assert not seen(lines, "ready after")()
        go.touch()
        assert supervisor.run(until=lambda: supervisor.ready)
    assert seen(lines, "worker: ready after")()


def test_a_process_that_dies_is_restarted_after_growing_pauses() -> None:
    lines: list[str] = []
    starts: list[float] = []

    def log(line: str) -> None:
        lines.append(line)
        if "started" in line:
            starts.append(time.monotonic())

    supervisor = Supervisor([python("worker", "raise SystemExit(3)"), python("other", "input()")], log)
    with supervisor:
        assert supervisor.run(until=lambda: len(starts) >= 6)
    assert lines.count("worker: exited with status 3") >= 2
    told = [line for line in lines if line.startswith("worker: restarting")]
    assert told[:2] == ["worker: restarting in 0.5 s", "worker: restarting in 1 s"]


def test_a_long_life_makes_the_next_pause_short_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billing_worker.runtime.process._HEALTHY_SECONDS", 0.0)
    lines: list[str] = []
    with Supervisor([python("worker", "raise SystemExit(0)")], lines.append) as supervisor:
        assert supervisor.run(until=lambda: sum("restarting" in line for line in lines) == 3)
    assert [line for line in lines if "restarting" in line] == ["worker: restarting in 0.5 s"] * 3


def test_what_a_dead_process_leaves_in_its_group_is_killed_before_the_restart(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = (
        "import subprocess, sys; p = subprocess.Popen(['sleep', '600']); "
        f"open({str(note)!r}, 'w').write(str(p.pid)); sys.exit(1)"
    )
    lines: list[str] = []
    with Supervisor([python("worker", code)], lines.append) as supervisor:
        assert supervisor.run(until=seen(lines, "restarting"))
        orphan = int(note.read_text())
        poll(lambda: not alive(orphan), "the end of the orphan")


def test_who_does_not_stop_in_its_grace_is_killed_with_its_children(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = STUBBORN + (
        "import subprocess, time; p = subprocess.Popen(['sleep', '600']); "
        f"open({str(note)!r}, 'w').write(str(p.pid)); print('set'); time.sleep(600)"
    )
    lines: list[str] = []
    with Supervisor([python("worker", code, stop_grace=0.3)], lines.append) as supervisor:
        assert supervisor.run(until=seen(lines, "worker | set"))
        pid = supervisor.pids["worker"]
    assert lines[-2:] == [
        "worker: still there 0.3 s after the signal, killing it",
        "worker: stopped, ended by SIGKILL",
    ]
    assert not alive(pid)
    poll(lambda: not alive(int(note.read_text())), "the end of the grandchild")


def test_a_process_chooses_its_stop_signal() -> None:
    code = "import signal, time; signal.signal(signal.SIGQUIT, lambda *_: exit(7)); print('set'); time.sleep(600)"
    lines: list[str] = []
    with Supervisor([python("worker", code, stop_signal=signal.SIGQUIT)], lines.append) as supervisor:
        assert supervisor.run(until=seen(lines, "worker | set"))
    assert lines[-1] == "worker: stopped, exited with status 7"


def test_a_missing_program_is_named_and_nothing_is_started() -> None:
    lines: list[str] = []
    supervisor = Supervisor([python("web", "input()"), Process("flower", ["no-such-program"])], lines.append)
    with pytest.raises(RuntimeProblem, match="cannot start flower: there is no program no-such-program"):
        supervisor.start()
    assert lines == []


def test_an_error_in_the_callers_condition_stops_everything() -> None:
    lines: list[str] = []
    supervisor = Supervisor([python("web", "import time; time.sleep(600)")], lines.append)
    supervisor.start()
    pid = supervisor.pids["web"]
    with pytest.raises(ZeroDivisionError):
        supervisor.run(until=lambda: 1 / 0 > 0)
    assert not alive(pid)


def test_signals_belong_to_the_supervisor_only_while_it_runs() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Supervisor([python("web", "import time; time.sleep(600)")], [].append) as supervisor:
        assert signal.getsignal(signal.SIGINT) != before
        os.kill(os.getpid(), signal.SIGINT)
        assert supervisor.run() is False
    assert signal.getsignal(signal.SIGINT) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_all_in_reverse_order(number: signal.Signals) -> None:
    port = free_port()
    sleep = "import time; time.sleep(600)"
    processes = f"python('beat', {sleep!r}), python('worker', {sleep!r}), python('web', SERVER, '{port}')"
    with helper(runner(processes)) as process:
        text = read_until(process, r"web \| up")
        process.send_signal(number)
        rest = process.stdout.read()
        assert process.wait(20) == 0
    assert re.findall(r"^(\w+): stopped", rest, re.MULTILINE) == ["web", "worker", "beat"]
    assert rest.endswith("returned False\nend\n")
    assert not listening(port)
    assert not any(map(alive, pids_in(text).values()))


def test_a_second_ctrl_c_kills_at_once_but_the_same_press_passed_on_twice_does_not() -> None:
    stubborn = "python('worker', STUBBORN + \"print('set'); import time; time.sleep(600)\", stop_grace=100)"
    with helper(runner(stubborn)) as process:
        pid = pids_in(read_until(process, r"worker \| set"))["worker"]
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        time.sleep(1)  # nothing may happen in this time, so there is nothing to poll for
        assert alive(pid)
        process.send_signal(signal.SIGINT)
        assert "worker: in a hurry, killing it" in process.stdout.read()
        assert process.wait(20) == 0
    assert not alive(pid)


@pytest.mark.parametrize("position", [0, 1, 3])
def test_ctrl_c_during_the_start_leaves_nothing(position: int) -> None:
    processes = ", ".join(f"python('p{n}', 'import time; time.sleep(600)')" for n in range(4))
    with helper(runner(processes)) as process:
        text = read_until(process, f"p{position}: started")
        process.send_signal(signal.SIGINT)
        text += process.stdout.read()
        assert process.wait(20) == 0
    started = pids_in(text)
    assert len(started) >= position + 1
    assert not any(map(alive, started.values()))


def test_kill_9_of_the_supervisor_leaves_neither_children_nor_grandchildren_nor_ports(tmp_path: Path) -> None:
    port, note = free_port(), tmp_path / "pid"
    family = (
        "import subprocess, sys, time; p = subprocess.Popen(['sleep', '600']); "
        f"open({str(note)!r}, 'w').write(str(p.pid)); print('set'); time.sleep(600)"
    )
    processes = (
        f"python('web', SERVER, '{port}'), python('worker', {family!r}), "
        f"python('mule', STUBBORN + {family.replace(str(note), str(note) + '2')!r}, stop_grace=0.5)"
    )
    with helper(runner(processes)) as process:
        text = ""
        for sign in ("web", "worker", "mule"):
            text += read_until(process, rf"{sign} \| (up|set)") if f"{sign} | " not in text else ""
        pids = [*pids_in(text).values(), int(note.read_text()), int((tmp_path / "pid2").read_text())]
        assert len(pids) == 5
        assert all(map(alive, pids))
        kill_9(process.pid)
        poll(lambda: not any(map(alive, pids)), "the end of all")
    assert not listening(port)


def test_children_die_with_the_supervisor_even_after_the_guardian_was_killed() -> None:
    code = runner("python('worker', \"print('set'); import time; time.sleep(600)\")").replace(
        "with supervisor:",
        "from billing_worker.runtime.children import guardian\n"
        "with supervisor:\n    print('guardian', guardian._process.pid)",
    )
    with helper(code) as process:
        text = read_until(process, r"worker \| set")
        kill_9(int(re.search(r"guardian (\d+)", text)[1]))
        kill_9(process.pid)
        poll(lambda: not alive(pids_in(text)["worker"]), "the end of the worker")


def test_a_killed_guardian_is_replaced_and_knows_what_to_watch() -> None:
    sleep = "import time; time.sleep(600)"
    with Supervisor([python("one", sleep), python("two", sleep)], [].append) as supervisor:
        first = guardian._process
        kill_9(first.pid)
        first.wait()
        kill_9(supervisor.pids["one"])
        assert supervisor.run(until=lambda: len(supervisor.pids) < 2)
        assert guardian._process.pid != first.pid
        assert list(guardian._orders) == [supervisor.pids["two"]]
    assert guardian._orders == {}


def test_a_program_that_ends_well_leaves_no_warning_about_its_guardian() -> None:
    code = (
        "import signal, subprocess, warnings; from billing_worker.runtime.children import guardian\n"
        "warnings.simplefilter('always'); child = subprocess.Popen(['true'], start_new_session=True)\n"
        "guardian.watch(child.pid, signal.SIGTERM, 1.0); child.wait(); guardian.forget(child.pid)\n"
        "print(guardian._process.pid)\n"
    )
    with helper(code) as process:
        told, _ = process.communicate(timeout=200)
    assert re.fullmatch(r"\d+\n", told), told


def test_the_guardian_ends_with_its_owner() -> None:
    code = "from billing_worker.runtime.children import guardian\nguardian._start()\nprint(guardian._process.pid)\n"
    with helper(code) as process:
        pid = int(process.stdout.readline())
        process.wait(20)
        poll(lambda: not alive(pid), "the end of the guardian")


def test_output_goes_to_files_that_do_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    monkeypatch.setattr(output.into_file, "__defaults__", (10_000,))
    code = "for n in range(3000): print(f'line {n:06}')\nprint('last'); input()"
    with Supervisor([python("worker", code)], lines.append, output_dir=tmp_path / "logs") as supervisor:
        log = tmp_path / "logs" / "worker.log"
        assert supervisor.run(until=lambda: "last" in log.read_text() if log.exists() else False)
    sizes = {path.name: path.stat().st_size for path in log.parent.iterdir()}
    assert set(sizes) == {"worker.log", "worker.log.1", "worker.log.2"}
    assert max(sizes.values()) <= 10_000
    assert not [line for line in lines if "line 0" in line]


def test_a_process_that_is_started_again_loses_no_line_of_the_one_before(tmp_path: Path) -> None:
    sink = output.into_file(tmp_path, "worker")
    wanted = {f"{name} {number}" for name in ("before", "after") for number in range(400)}

    def write(name: str) -> None:
        for number in range(400):
            sink(f"{name} {number}")

    old = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(write, ("before", "after")))
    finally:
        sys.setswitchinterval(old)
    assert set((tmp_path / "worker.log").read_text().splitlines()) == wanted


def test_a_log_that_cannot_be_written_stops_nothing() -> None:
    def broken(line: str) -> None:
        raise BrokenPipeError(line)

    with Supervisor([python("web", "print('x'); import time; time.sleep(600)")], broken) as supervisor:
        assert supervisor.run(until=lambda: supervisor.ready)
        pid = supervisor.pids["web"]
    assert not alive(pid)


def test_children_find_their_signals_as_a_shell_would_leave_them() -> None:
    code = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler); input()"
    lines: list[str] = []
    old = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in a script's background job
    try:
        with Supervisor([python("worker", code)], lines.append) as supervisor:
            assert supervisor.run(until=seen(lines, "worker | True"))
    finally:
        signal.signal(signal.SIGINT, old)
