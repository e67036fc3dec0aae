from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from runtime_helpers import alive, helper, kill_9, listening, poll, port_of

from billing_worker.runtime import EmbeddedRedis, RuntimeProblem
from billing_worker.runtime import redis as embedded

pytestmark = pytest.mark.integration
OWNER = """
import sys
from pathlib import Path
from billing_worker.runtime import EmbeddedRedis
server = EmbeddedRedis(Path(sys.argv[1]))
print(server.start(), server._process.pid)
sys.stdin.read()
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(tmp_path / "redis") as running:
        yield running


def put(url: str, value: str) -> None:
    with redis.Redis.from_url(url) as client:
        client.set("key", value)


def get(url: str) -> str:
    with redis.Redis.from_url(url, decode_responses=True) as client:
        return client.get("key")


def test_it_is_private_and_set_up_as_promised(server: EmbeddedRedis) -> None:
    url = server.start()
    with redis.Redis.from_url(url, decode_responses=True) as client:
        wanted = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", "save": ""}
        assert {name: client.config_get(name)[name] for name in wanted} == wanted
        assert client.config_get("bind")["bind"] == "127.0.0.1"
    # Without retries: the client would take the refusal for a passing trouble and try for seconds.
    with (
        redis.Redis(port=port_of(url), retry=Retry(NoBackoff(), 0)) as stranger,
        pytest.raises(redis.AuthenticationError),
    ):
        stranger.get("key")
    assert server._password not in Path(f"/proc/{server._process.pid}/cmdline").read_text()
    assert server._password not in Path(f"/proc/{server._process.pid}/environ").read_text()
    for file in server.directory.glob("*.aof"):
        assert file.stat().st_mode & 0o077 == 0


def test_keys_and_url_survive_a_restart(server: EmbeddedRedis) -> None:
    url = server.start()
    put(url, "kept")
    server.stop()
    assert not listening(port_of(url))
    assert server.start() == url
    assert get(url) == "kept"


def test_a_killed_server_starts_again_with_its_keys(server: EmbeddedRedis) -> None:
    url = server.start()
    put(url, "kept")
    kill_9(server._process.pid)
    poll(lambda: not server.running, "the death of the server")
    assert server.start() == url
    assert get(url) == "kept"


def test_kill_9_of_the_owner_ends_the_server_and_frees_the_directory(tmp_path: Path) -> None:
    with helper(OWNER, tmp_path / "r") as process:
        url, pid = process.stdout.readline().split()
        put(url, "kept")
        kill_9(process.pid)
        with EmbeddedRedis(tmp_path / "r") as again:  # at once: waits for the old server's last breath
            assert not alive(int(pid))
            assert get(again.start()) == "kept"
    assert not listening(port_of(url))


def test_two_directories_run_side_by_side_and_one_directory_only_once(server: EmbeddedRedis, tmp_path: Path) -> None:
    with EmbeddedRedis(tmp_path / "other") as other:
        put(server.start(), "one")
        put(other.start(), "two")
        assert (get(server.start()), get(other.start())) == ("one", "two")
    with pytest.raises(RuntimeProblem, match="already in use by process"):
        EmbeddedRedis(server.directory).start()
    assert get(server.start()) == "one"


def program(folder: Path, name: str, version: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{version}'\n")
    path.chmod(0o755)
    return path


def test_a_server_on_path_comes_first_unless_it_is_too_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "bin"
    monkeypatch.setenv("PATH", str(folder))
    valkey = program(folder, "valkey-server", "Valkey server v=8.1.3 sha=00000000:0 malloc=jemalloc bits=64")
    assert embedded.find_redis() == valkey
    recent = program(folder, "redis-server", "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64")
    assert embedded.find_redis() == recent
    program(folder, "redis-server", "Redis server v=6.0.16 sha=00000000:0 malloc=jemalloc-5.2.1 bits=64")
    assert embedded.find_redis() == valkey


def test_without_any_redis_one_line_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = program(tmp_path / "bin", "redis-server", "Redis server v=6.0.16 sha=00000000:0")
    monkeypatch.setattr(embedded, "_candidates", lambda: iter([old]))
    with pytest.raises(RuntimeProblem, match=r"6\.2 or newer found \(.* is 6\.0\): install .*BILLING_BROKER_URL"):
        EmbeddedRedis(tmp_path / "r").start()


def test_a_server_that_cannot_start_says_why(server: EmbeddedRedis) -> None:
    put(server.start(), "kept")
    server.stop()
    files = list(server.directory.rglob("*.aof"))  # since version 7 in a folder of their own
    assert files
    for file in files:
        file.write_text("this is no append-only file\n")
    with pytest.raises(RuntimeProblem, match=r"Redis ended at start \(.*\); see .*server\.log"):
        server.start()
