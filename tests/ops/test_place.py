"""Addresses and data directories: how they are shown, and what is said when they cannot be had."""

import errno
import os
from pathlib import Path

import pytest

from ops import place
from ops.place import DataDirectory, PlaceTaken
from tests.support.servers import free_port


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),
        ("shop.example.com", "http://shop.example.com:8000"),
    ],
)
def test_the_url_is_one_that_this_machine_can_open(host: str, shown: str) -> None:
    assert place.url(host, 8000) == shown


def test_every_address_of_this_machine_can_be_bound() -> None:
    with place.bind("0.0.0.0", 0) as bound:
        assert bound.getsockname()[1] > 0


def test_a_port_on_which_someone_answers_is_taken_whatever_bind_says() -> None:
    port = free_port()
    with place.bind("127.0.0.1", port) as first:
        first.listen()
        with pytest.raises(PlaceTaken, match=f"port {port} of 127.0.0.1 is in use"):
            place.bind("127.0.0.1", port)


def test_a_name_that_is_no_address_is_named() -> None:
    with pytest.raises(PlaceTaken, match=r"HOST holds 'no\.such\.invalid'"):
        place.bind("no.such.invalid", 0)


@pytest.mark.parametrize(
    ("number", "port", "advice"),
    [
        (errno.EADDRINUSE, 8000, "PORT=8001"),
        (errno.EADDRINUSE, 65535, "PORT=8000"),
        (errno.EADDRNOTAVAIL, 8000, "HOST=127.0.0.1"),
        (errno.EACCES, 80, "PORT=8000"),
        (errno.EIO, 8000, "set HOST and PORT"),
    ],
)
def test_each_problem_says_what_to_set(number: int, port: int, advice: str) -> None:
    problem = place.address_problem(OSError(number, os.strerror(number)), "127.0.0.1", port)
    assert advice in problem


def test_a_data_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PlaceTaken, match="FRESHQL_DATA_DIR"):
        DataDirectory(tmp_path / "file" / "data").__enter__()


def test_an_orderly_end_leaves_no_holder_and_a_kill_leaves_one(tmp_path: Path) -> None:
    with DataDirectory(tmp_path) as directory:
        assert not directory.was_killed
        assert place.holder(tmp_path) == place.Holder(os.getpid())
        left = (tmp_path / "serve.lock").read_bytes()
    assert place.holder(tmp_path) is None
    (tmp_path / "serve.lock").write_bytes(left)
    with DataDirectory(tmp_path) as directory:
        assert directory.was_killed
