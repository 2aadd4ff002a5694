"""What the reference pages list is what the code has: no more, and no less."""

import ast
import dataclasses
import re
from collections.abc import Iterator
from datetime import date
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, get_args

import pytest
import typer

import mailbalance
from mailbalance import errors
from mailbalance.backends import (
    _mailtrap_pace,
    _pace,
    mailtrap,
    mailtrap_smtp,
    ses,
    ses_smtp,
)
from mailbalance.cli.app import app
from mailbalance.cli.output import Code
from mailbalance.cli.variables import _MASKED, _OPEN
from mailbalance.config.dsn import SCHEMES
from mailbalance.config.rates import parse_rates
from mailbalance.config.settings import BUILT_IN
from mailbalance.message import Address, Attachment, Message
from mailbalance.options import MailtrapOptions, SesOptions
from mailbalance.sandbox.faults import Kind
from tests.docs.blocks import ROOT
from tests.docs.commands import PROJECT
from tests.docs.tables import DOCS, codes, first_column, rows

CONFIGURATION = DOCS / "reference" / "configuration.md"
ERRORS = DOCS / "reference" / "errors.md"
OUTCOMES = DOCS / "reference" / "outcomes.md"
MESSAGE = DOCS / "reference" / "message.md"
CLI = DOCS / "reference" / "cli.md"
API = DOCS / "reference" / "api.md"
LIMITS = DOCS / "explanation" / "limits.md"
DEPENDENCIES = DOCS / "explanation" / "dependencies.md"
SANDBOX = DOCS / "explanation" / "sandbox.md"

#: Options that ``config`` reads itself, before a backend sees the rest.
PORT = {"ses+smtp": {"port"}, "mailtrap+smtp": {"port"}}
OPTIONS = {
    "ses+api": ses.OPTIONS,
    "ses+smtp": ses_smtp.OPTIONS,
    "mailtrap+api": mailtrap.OPTIONS,
    "mailtrap+smtp": mailtrap_smtp.OPTIONS,
    "memory": _pace.OPTIONS,
    "console": _pace.OPTIONS,
}
PAGES_OF = {
    "ses+api": "ses.md",
    "ses+smtp": "ses-smtp.md",
    "mailtrap+api": "mailtrap.md",
    "mailtrap+smtp": "mailtrap-smtp.md",
}


def test_every_variable_is_listed_once() -> None:
    listed = first_column(CONFIGURATION, "Variables")

    assert len(listed) == len(set(listed))
    assert set(listed) == {*_OPEN, *_MASKED, "MAILBALANCE_<NAME>_URL"}


def test_every_variable_that_the_code_names_is_listed() -> None:
    listed = set(first_column(CONFIGURATION, "Variables"))
    own = re.compile(r"(MAILBALANCE|MAILTRAP|SES)_[A-Z_]+")

    named = {text for text in _strings("config", "backends") if own.fullmatch(text)}

    assert named
    assert named <= listed


def _strings(*folders: str) -> Iterator[str]:
    for folder in folders:
        for file in (ROOT / "mailbalance" / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


def test_every_scheme_is_listed_with_its_options() -> None:
    listed = {row[0].strip("`"): row[2] for row in rows(CONFIGURATION, "DSNs")[:8]}

    assert set(listed) == set(SCHEMES)
    for scheme, options in OPTIONS.items():
        assert codes(listed[scheme]) == options | PORT.get(scheme, set()), scheme


def test_every_option_is_explained() -> None:
    listed = first_column(CONFIGURATION, "DSNs")[8:]

    assert set(listed) == set().union(*OPTIONS.values(), *PORT.values())


@pytest.mark.parametrize("kind", PAGES_OF)
def test_a_backends_page_lists_its_options(kind: str) -> None:
    page = DOCS / "how-to" / PAGES_OF[kind]
    listed = {code for row in rows(page) for code in codes(row[0])}

    assert OPTIONS[kind] | PORT.get(kind, set()) <= listed


def test_the_names_that_need_no_url_are_listed() -> None:
    listed = {
        row[0].strip("`"): row[1].strip("`")
        for row in rows(CONFIGURATION, "The split")
        if row[0].strip("`") in BUILT_IN and row[0].strip("`") != "backup"
    }

    assert listed == BUILT_IN


def test_the_readme_lists_every_backend() -> None:
    listed = first_column(ROOT / "README.md", "Backends and ports")

    assert set(listed) == set(BUILT_IN)


@pytest.mark.parametrize(
    ("heading", "kind"),
    [("Receipt", mailbalance.Receipt), ("Attempt", mailbalance.Attempt),
     ("Refusal", mailbalance.Refusal), ("Route", mailbalance.Route),
     ("Share", mailbalance.Share)],
)  # fmt: skip
def test_every_field_of_an_outcome_is_listed(heading: str, kind: Any) -> None:
    listed = first_column(OUTCOMES, heading)

    assert listed == [field.name for field in dataclasses.fields(kind)]


@pytest.mark.parametrize(
    "kind", [Message, Address, Attachment, SesOptions, MailtrapOptions]
)
def test_every_field_of_a_message_is_listed(kind: Any) -> None:
    assert first_column(MESSAGE, kind.__name__) == list(kind.model_fields)


def test_every_field_of_a_policy_is_listed() -> None:
    fields = dataclasses.fields(mailbalance.RetryPolicy)

    assert first_column(CONFIGURATION, "Retries") == [field.name for field in fields]


FACTS = {True: "yes", False: "no"}


def test_the_facts_of_every_error_are_those_of_its_class() -> None:
    kinds = [getattr(errors, name) for name in errors.__all__]

    expected = {
        kind.__name__: [
            FACTS[kind.retry_here],
            FACTS[kind.try_next],
            kind.health,
            kind.outcome.replace("_", " "),
        ]
        for kind in kinds
        if hasattr(kind, "retry_here")
    }

    found = rows(ERRORS, "The facts of each class")
    assert expected == {row[0].strip("`"): row[1:] for row in found if len(row) == 5}


def test_every_error_is_in_the_tree() -> None:
    text = ERRORS.read_text(encoding="utf-8")

    for name in errors.__all__:
        assert f"`{name}`" in text


def test_every_public_name_is_listed() -> None:
    names = [row[0].strip("`") for row in rows(API) if len(row) == 3]

    assert sorted(names) == sorted(mailbalance.__all__)


def test_every_method_of_the_mailer_is_real() -> None:
    for name in first_column(API, "Mailer"):
        assert callable(getattr(mailbalance.Mailer, name)), name


def _commands() -> dict[str, Any]:
    group = typer.main.get_command(app)
    return dict(group.commands)


def test_every_command_and_every_option_is_listed() -> None:
    for name, command in _commands().items():
        options = {
            option
            for parameter in command.params
            for option in parameter.opts
            if option.startswith("--") and option != "--help"
        }
        assert set(first_column(CLI, f"mailbalance {name}")) == options, name


def test_every_exit_code_is_listed() -> None:
    assert first_column(CLI, "Exit codes") == [str(code.value) for code in Code]


def test_the_limits_are_those_of_the_backends() -> None:
    listed = {row[0].strip("`"): row[1:] for row in rows(LIMITS)}
    built = {"ses": ses, "ses-smtp": ses_smtp, "mailtrap": mailtrap}
    built["mailtrap-smtp"] = mailtrap_smtp

    assert set(listed) == set(built)
    for name, module in built.items():
        size, recipients, _, _, checked = listed[name]
        limits = module.LIMITS
        assert int(size.replace(",", "")) == limits.size, name
        assert int(recipients.replace(",", "")) == limits.recipients, name
        assert date.fromisoformat(checked) == limits.checked, name


def test_the_published_rates_are_those_of_the_backends() -> None:
    listed = {row[0].strip("`"): row[3:] for row in rows(LIMITS)}
    api, smtp = _mailtrap_pace.API, _mailtrap_pace.SMTP

    rate, _, read = listed["mailtrap"]
    _, connections, read_smtp = listed["mailtrap-smtp"]

    [listed_rate], [published] = parse_rates(rate).rates, api.rates
    assert (listed_rate.count, listed_rate.period) == (
        published.count,
        published.period,
    )
    assert int(connections) == smtp.concurrency
    assert {date.fromisoformat(each) for each in (read, read_smtp)} == {
        api.checked,
        smtp.checked,
    }


def test_every_dependency_is_explained() -> None:
    def named(lines: list[str]) -> set[str]:
        found = {re.split(r"[\[<>=~!;# ]", line)[0] for line in lines}
        return found - {"mailbalance"}

    extras = PROJECT["optional-dependencies"]
    listed_extras = [(row[0].strip("`"), row[1].strip("`"))
                     for row in rows(DEPENDENCIES, "Extras")]  # fmt: skip

    assert set(first_column(DEPENDENCIES, "Core")) == named(PROJECT["dependencies"])
    assert set(first_column(DEPENDENCIES, "Development")) == named(extras["dev"])
    for extra in set(extras) - {"dev"}:
        assert {n for e, n in listed_extras if e == extra} == named(extras[extra]), (
            extra
        )


def test_every_fault_of_the_local_sandbox_is_listed() -> None:
    assert first_column(SANDBOX, "Faults on demand") == list(get_args(Kind))


def test_every_benchmark_is_listed() -> None:
    files = {file.name for file in (ROOT / "benchmarks").glob("*.py")}

    listed = set(first_column(ROOT / "benchmarks" / "README.md"))

    assert listed == files


@pytest.mark.parametrize(
    ("heading", "end"),
    [("See it happen", "mailbalance demo"), ("Run the tests", "pytest")],
)
def test_the_readme_sets_everything_up_in_one_command(heading: str, end: str) -> None:
    section = (ROOT / "README.md").read_text().partition(f"\n## {heading}\n")[2]
    [command] = section.partition("```sh\n")[2].partition("```")[0].splitlines()

    venv, install, run = command.split(" && ")

    assert venv == "python3 -m venv .venv"
    assert install.startswith(".venv/bin/pip install ")
    assert run.startswith(".venv/bin/")
    assert end in run


def test_the_mailbox_fixture_comes_with_the_package() -> None:
    [plugin] = entry_points(group="pytest11", name="mailbalance")

    assert plugin.value == "mailbalance.testing.plugin"


def test_every_page_is_in_the_index() -> None:
    index = (DOCS / "index.md").read_text(encoding="utf-8")

    for page in DOCS.rglob("*.md"):
        assert page.name == "index.md" or f"]({page.relative_to(DOCS)})" in index


def test_the_layout_lists_what_is_there() -> None:
    listed = {
        code
        for row in rows(DOCS / "contributing.md", "Where things are")
        for code in codes(row[0])
    }

    for place in listed:
        assert Path(ROOT / "mailbalance" / place).exists(), place
