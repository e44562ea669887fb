"""Renews the lock files (`make lock`): one for serving, and one that adds what developers need."""

import subprocess
import sys
from pathlib import Path

OPTIONS = [
    "--universal",
    "--python-version=3.11",
    "--generate-hashes",
    "--no-annotate",
    "--upgrade",
    "--custom-compile-command=make lock",
    "--group=build",
    "--quiet",
]


def main() -> None:
    """Resolve pyproject.toml anew, for every system and Python version at once."""
    uv = str(Path(sys.executable).with_name("uv"))
    compile_ = [uv, "pip", "compile", "pyproject.toml", *OPTIONS]
    serving = ["--extra=embedded", "--extra=postgres", "--output-file=requirements.lock"]
    developing = ["--all-extras", "--output-file=requirements-development.lock"]
    subprocess.run([*compile_, *serving], check=True)  # noqa: S603 (a fixed command, no shell)
    subprocess.run(  # noqa: S603 (the same)
        [*compile_, "--constraints=requirements.lock", *developing], check=True
    )


if __name__ == "__main__":
    main()
