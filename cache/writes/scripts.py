"""The scripts: each is one step of the server, made of the parts in `lua/`."""

from __future__ import annotations

from importlib.resources import files

from ..stores.script import Script

_FOLDER = files(__package__ or __name__.rpartition(".")[0]) / "lua"

_FLAGS = {
    "writes": "#!lua",
    "reads": "#!lua flags=no-writes",
    "frees": "#!lua flags=allow-oom",  # allowed when Redis is full: it makes room
}


def script(access: str, source: str) -> Script:
    """`source` behind what all scripts share (`lua/common.lua`); for scripts of others, too.

    KEYS[1] is the stream and KEYS[2] its meta hash. It begins with the lines that every one here
    begins with, and so refuses while the stream is closed: `Journal.run` then opens it. `access`
    is `reads`, `writes` or `frees`.
    """
    return Script("\n".join([_FLAGS[access], _text("common"), source]))


def _text(name: str) -> str:
    return (_FOLDER / f"{name}.lua").read_text("utf-8")


APPEND = script("writes", _text("append"))
RECONCILE = script("frees", _text("reconcile"))  # while it is closed, nothing can be trimmed
PEEK = script("reads", _text("peek"))
PENDING = script("reads", _text("pending"))
TRIM = script("frees", _text("trim"))
RAISE = script("frees", _text("raise"))
LIVE = script("reads", _text("live"))
INSTALL = script("writes", _text("rebuild"))
COMPUTE = script("reads", _text("rebuild"))  # it stores nothing: it works when Redis is full
