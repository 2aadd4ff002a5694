"""S10: logs say ids, counts and codes; never what a mail says or who it is for."""

import asyncio
import logging
from collections.abc import Iterator

import pytest

from mailbalance import Attachment, Mailer
from mailbalance.errors import DeliveryError
from mailbalance.sandbox import Sandbox
from mailbalance.sandbox.faults import Kind
from tests.canary import forms
from tests.wire.smtp_ways import How

WAYS = "ses=1,ses-smtp=1,mailtrap=1,mailtrap-smtp=1"
#: One word for each place of a mail; the text before an @ is enough to know somebody.
WORDS = {
    "from_": "canarysender", "to": "canaryrecipient", "cc": "canarycopy",
    "bcc": "canaryblindcopy", "name": "canaryname", "subject": "canarysubject",
    "text": "canarytext", "html": "canaryhtml", "file": "canaryfile",
    "header": "canaryheader", "content": "canarycontent", "category": "canarycategory",
    "metadata": "canarymetadata",
}  # fmt: skip
MAIL = {
    "from_": f"{WORDS['name']} <{WORDS['from_']}@example.com>",
    **{name: f"{WORDS[name]}@example.com" for name in ("to", "cc", "bcc")},
    "subject": WORDS["subject"],
    "text": WORDS["text"],
    "html": f"<p>{WORDS['html']}</p>",
    "headers": {"X-Canary": WORDS["header"]},
    "category": WORDS["category"],
    "metadata": {"order": WORDS["metadata"]},
    "attachments": [
        Attachment(content=WORDS["content"].encode(), filename=f"{WORDS['file']}.txt")
    ],
}


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    caplog.set_level(logging.DEBUG)
    for name in ("mailbalance", "httpcore2", "asyncio", "botocore", "aiosmtplib"):
        caplog.set_level(logging.DEBUG, name)
    yield caplog
    for word in WORDS.values():
        assert not [form for form in forms(word) if form in caplog.text]


async def asend(mailer: Mailer, way: str) -> None:
    async with mailer:
        await mailer.asend(via=way, **MAIL)  # type: ignore[arg-type]


@pytest.mark.parametrize("fault", [None, "reject", "throttle", "error", "drop"])
@pytest.mark.parametrize("way", ["ses", "ses-smtp", "mailtrap", "mailtrap-smtp"])
def test_no_log_tells_what_a_mail_says(
    box: Sandbox,
    logged: pytest.LogCaptureFixture,
    how: How,
    way: str,
    fault: Kind | None,
) -> None:
    environ = box.environ(WAYS) | {"MAILBALANCE_MAX_ATTEMPTS": "1"}
    box.heal()
    if fault is not None:
        box.fault(way, fault)  # type: ignore[arg-type]
    with Mailer.from_env(environ) as mailer:
        try:
            if how == "sync":
                mailer.send(via=way, **MAIL)  # type: ignore[arg-type]
            else:
                asyncio.run(asend(mailer, way))
        except DeliveryError:
            assert fault is not None
    box.heal()

    assert [each for each in logged.records if each.name == "mailbalance"]


def test_an_observer_that_fails_is_logged_without_the_mail(
    logged: pytest.LogCaptureFixture,
) -> None:
    def observe(event: object) -> None:
        raise ValueError("broken")

    with Mailer("memory=1", observers=[observe]) as mailer:
        mailer.send(**MAIL)  # type: ignore[arg-type]

    assert "an observer failed" in logged.text
