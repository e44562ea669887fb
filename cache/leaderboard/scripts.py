"""The scripts: each is one step of the server, made of the parts in `lua/`.

What stores nothing new may run on a server that is full; the rest is refused there.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from ..stores.script import Script
from ..writes import script

_FOLDER: Final = files(__package__ or __name__.rpartition(".")[0]) / "lua"


def _text(*names: str) -> str:
    return "\n".join((_FOLDER / f"{name}.lua").read_text("utf-8") for name in names)


def _of_board(access: str, *names: str) -> Script:
    """A script of a board, which knows its stream."""
    return script(access, _text("whole", "copy", *names))


READ: Final = _of_board("frees", "read")
SUBMIT: Final = _of_board("writes", "put", "numbers", "entry", "submit")
REMOVE: Final = _of_board("frees", "put", "numbers", "entry", "remove")
BEGIN: Final = _of_board("writes", "begin")
LOAD: Final = _of_board("writes", "building", "put", "load")
INSTALL: Final = _of_board("writes", "building", "put", "numbers", "entry", "install")
ABANDON: Final = Script("#!lua flags=allow-oom\n" + _text("abandon"))
NOTE: Final = Script("#!lua flags=allow-oom\n" + _text("whole", "note"))  # a player may be removed
NOTED: Final = Script("#!lua flags=no-writes\n" + _text("whole", "noted"))
FORGET: Final = Script("#!lua flags=allow-oom\n" + _text("forget"))
