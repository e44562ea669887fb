"""`ops.web`: when the page is built, and what is said when it cannot be."""

import json
from pathlib import Path

import pytest

from ops.web import WEB, build_if_stale, satisfies, source_digest

NODE = "#!/bin/sh\necho v20.20.2\n"
NPM = """#!/bin/sh
PATH=/usr/bin:/bin
echo "$*" >> ../calls.log
if [ "$1" = run ]; then mkdir -p dist && echo page > dist/index.html; fi
"""


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH; the tests put a node and an npm there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


@pytest.fixture
def web(tmp_path: Path) -> Path:
    """A small `web/` with one source."""
    folder = tmp_path / "web"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "main.tsx").write_text("export {};\n")
    (folder / "package-lock.json").write_text("{}")
    (folder / "package.json").write_text(json.dumps({"engines": {"node": "^20.19.0 || >=22.12.0"}}))
    return folder


def install(folder: Path, **scripts: str) -> None:
    for name, script in scripts.items():
        path = folder / name
        path.write_text(script)
        path.chmod(0o755)


def calls(web: Path) -> list[str]:
    log = web.parent / "calls.log"
    return log.read_text().splitlines() if log.exists() else []


def test_it_builds_once_and_again_when_a_source_changes(tools: Path, web: Path) -> None:
    install(tools, node=NODE, npm=NPM)
    said: list[str] = []
    assert build_if_stale(web, said.append)
    assert (web / "dist" / "index.html").read_text() == "page\n"
    assert said[0] == "GraphiQL: building the page with npm..."
    assert calls(web) == ["ci", "run build"]

    said.clear()
    assert build_if_stale(web, said.append)
    assert said == []
    assert calls(web) == ["ci", "run build"]

    (web / "src" / "main.tsx").write_text("export const changed = 1;\n")
    assert build_if_stale(web, said.append)
    assert calls(web) == ["ci", "run build", "run build"]

    (web / "package-lock.json").write_text('{"lockfileVersion": 3}')
    assert build_if_stale(web, said.append)
    assert calls(web)[3:] == ["ci", "run build"]


def test_without_node_it_says_so_and_the_hosted_page_is_used(tools: Path, web: Path) -> None:
    said: list[str] = []
    assert not build_if_stale(web, said.append)
    assert said == [
        "GraphiQL: not built: node is not installed (Node ^20.19.0 || >=22.12.0 brings it)",
        "GraphiQL: the hosted page is used",
    ]
    install(tools, node=NODE)
    said.clear()
    assert not build_if_stale(web, said.append)
    assert "npm is not installed" in said[0]


def test_a_node_that_is_too_old_is_named(tools: Path, web: Path) -> None:
    install(tools, node="#!/bin/sh\necho v18.20.4\n", npm=NPM)
    said: list[str] = []
    assert not build_if_stale(web, said.append)
    assert "v18.20.4" in said[0]
    assert "^20.19.0 || >=22.12.0" in said[0]
    assert calls(web) == []


def test_a_failed_build_says_why_and_keeps_the_earlier_one(tools: Path, web: Path) -> None:
    install(tools, node=NODE, npm="#!/bin/sh\necho preparing\necho an error: no network\nexit 7\n")
    (web / "dist").mkdir()
    (web / "dist" / "index.html").write_text("earlier")
    said: list[str] = []
    assert not build_if_stale(web, said.append)
    assert said[1] == "GraphiQL: not built: `npm ci` ended with code 7:\nan error: no network"
    assert said[2] == "GraphiQL: an earlier build is used"
    assert (web / "dist" / "index.html").read_text() == "earlier"


def test_a_build_without_a_page_is_a_failure(tools: Path, web: Path) -> None:
    install(tools, node=NODE, npm="#!/bin/sh\nexit 0\n")
    said: list[str] = []
    assert not build_if_stale(web, said.append)
    assert "left no index.html" in said[1]


def test_a_tool_that_cannot_run_does_not_stop_the_start(tools: Path, web: Path) -> None:
    install(tools, node="#!/nowhere/sh\n", npm=NPM)
    said: list[str] = []
    assert not build_if_stale(web, said.append)
    assert said[-1] == "GraphiQL: the hosted page is used"


def test_an_installation_without_sources_uses_the_hosted_page(tmp_path: Path) -> None:
    said: list[str] = []
    assert not build_if_stale(tmp_path / "web", said.append)
    (line,) = said
    assert line.startswith("GraphiQL: the hosted page")


def test_the_digest_sees_names_and_contents(web: Path) -> None:
    before = source_digest(web)
    source = web / "src" / "main.tsx"
    source.rename(web / "src" / "other.tsx")
    renamed = source_digest(web)
    (web / "node_modules").mkdir()
    (web / "node_modules" / "package.json").write_text("{}")
    assert before != renamed == source_digest(web)


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("v18.20.4", False),
        ("v20.18.9", False),
        ("v20.19.0", True),
        ("v21.7.3", False),
        ("v22.11.0", False),
        ("v22.12.0", True),
        ("v25.0.1", True),
        ("", False),
    ],
)
def test_versions_of_node(version: str, expected: bool) -> None:
    assert satisfies(version, "^20.19.0 || >=22.12.0") is expected


def test_the_project_s_package_names_the_versions_of_node() -> None:
    engines = json.loads((WEB / "package.json").read_text())["engines"]
    assert satisfies("v20.20.2", engines["node"])
    assert not satisfies("v18.0.0", engines["node"])


def test_the_lock_file_names_no_registry() -> None:
    lock = json.loads((WEB / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages
    assert [name for name, entry in packages.items() if "resolved" in entry] == []
    assert [name for name, entry in packages.items() if "integrity" not in entry] == []
