"""The scripts: each is one step of the server, made of the parts in `lua/`.

What stores nothing new may run on a server that is full; the rest is refused there.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Final

from ..stores.script import Script

_FOLDER: Final = files(__package__ or __name__) / "lua"


def _script(first_line: str, *names: str) -> Script:
    parts = [(_FOLDER / f"{name}.lua").read_text("utf-8") for name in names]
    return Script("\n".join([first_line, *parts]))


_WRITES: Final = "#!lua"
_ALLOWED_WHEN_FULL: Final = "#!lua flags=allow-oom"

READ: Final = _script(_ALLOWED_WHEN_FULL, "copy", "read")
APPLY: Final = _script(_WRITES, "copy", "put", "apply")
DISCARD: Final = _script(_ALLOWED_WHEN_FULL, "copy", "discard")
BEGIN: Final = _script(_WRITES, "copy", "begin")
LOAD: Final = _script(_WRITES, "copy", "building", "put", "load")
INSTALL: Final = _script(_WRITES, "copy", "building", "install")
ABANDON: Final = _script(_ALLOWED_WHEN_FULL, "abandon")
