"""The command line reads well and says what is wrong."""

import re
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ops.cli import app

runner = CliRunner(env={"TERM": "dumb", "COLUMNS": "100", "FRESHQL_CURRENCY": ""})


def test_help_names_every_command_with_what_it_does() -> None:
    shown = runner.invoke(app, ["--help"])
    assert shown.exit_code == 0
    unwrapped = " ".join(re.findall(r"[^\s│]+", shown.output))
    for command in app.registered_commands:
        assert command.callback is not None
        name = command.name or command.callback.__name__
        assert command.callback.__doc__ is not None
        assert f"{name} {command.callback.__doc__.splitlines()[0]}" in unwrapped


def test_no_arguments_show_the_help() -> None:
    assert "Usage: freshql" in runner.invoke(app, []).output


def test_version() -> None:
    shown = runner.invoke(app, ["--version"])
    assert (shown.exit_code, shown.output.strip()) == (0, f"freshql {version('freshql')}")


@pytest.mark.parametrize("command", ["serve", "init", "import", "export-schema"])
def test_each_command_has_a_help_of_its_own(command: str) -> None:
    shown = runner.invoke(app, [command, "--help"])
    assert shown.exit_code == 0
    assert f"freshql {command}" in shown.output


def test_a_wrong_setting_is_an_error_without_a_traceback() -> None:
    shown = runner.invoke(app, ["init"], env={"FRESHQL_CURRENCY": "euro"})
    assert shown.exit_code == 2
    assert "error: FRESHQL_CURRENCY holds 'euro'" in shown.output


def test_the_schema_is_printed_written_and_checked(tmp_path: Path) -> None:
    file = tmp_path / "schema.graphql"
    shown = runner.invoke(app, ["export-schema"])
    assert "type Query {" in shown.output
    assert runner.invoke(app, ["export-schema", str(file)]).exit_code == 0
    assert file.read_text() == shown.output
    assert runner.invoke(app, ["export-schema", "--check", str(file)]).exit_code == 0


def test_the_drift_check_can_fail(tmp_path: Path) -> None:
    file = tmp_path / "schema.graphql"
    runner.invoke(app, ["export-schema", str(file)])
    file.write_text(file.read_text().replace("type Product ", "type Produce ", 1))
    shown = runner.invoke(app, ["export-schema", "--check", str(file)])
    assert shown.exit_code == 2
    assert "run `make schema`" in shown.output
    assert "-type Produce " in shown.output
    assert runner.invoke(app, ["export-schema", "--check", str(tmp_path / "none")]).exit_code == 2


def test_the_committed_schema_is_the_served_one() -> None:
    committed = Path(__file__).parents[2] / "schema.graphql"
    shown = runner.invoke(app, ["export-schema", "--check", str(committed)])
    assert shown.exit_code == 0, shown.output
