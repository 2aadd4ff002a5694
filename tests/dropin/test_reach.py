"""What an installed drop-in reaches, and that what it does not reach is named."""

from __future__ import annotations

import gc
import logging
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient

from mailbalance import Mailer, MemoryBackend, default, dropin
from tests.dropin.conftest import KEYS, V2


@pytest.fixture
def mailer() -> Mailer:
    return Mailer({MemoryBackend("mailtrap"): 100})


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """Nothing is installed, and clients of other tests are gone."""
    dropin.uninstall()
    gc.collect()
    yield
    dropin.uninstall()


def warned(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.levelno >= 30]


def test_a_client_made_before_is_named_once_in_the_log(
    mailer: Mailer, caplog: pytest.LogCaptureFixture
) -> None:
    early = boto3.client("sesv2", **KEYS)
    with caplog.at_level(logging.WARNING, "mailbalance"):
        dropin.install(mailer)
        dropin.install(mailer)
        boto3.client("sesv2", **KEYS)

    (said,) = [text for text in warned(caplog) if "made before" in text]
    assert "sesv2 in eu-west-1" in said
    assert early


def test_where_none_was_made_before_the_log_is_silent(
    mailer: Mailer, caplog: pytest.LogCaptureFixture
) -> None:
    s3 = boto3.client("s3", **KEYS)
    attached = dropin.client("ses", mailer, **KEYS)
    known = dropin.status().passed_by
    with caplog.at_level(logging.WARNING, "mailbalance"):
        dropin.install(mailer)

    assert s3
    assert attached
    assert bool(known) is any("made before" in text for text in warned(caplog))


def test_the_status_names_clients_on_both_sides(mailer: Mailer) -> None:
    before = dropin.status()
    early: Any = boto3.client("ses", **{**KEYS, "region_name": "eu-north-1"})
    dropin.install(mailer)
    late: Any = boto3.client("sesv2", **{**KEYS, "region_name": "eu-south-1"})
    late.send_email(**V2)

    now = dropin.status()

    assert not before.installed
    assert now.installed
    assert "ses in eu-north-1" in now.passed_by
    assert "sesv2 in eu-south-1" in now.attached
    assert "sesv2 in eu-south-1" not in now.passed_by
    assert [(each.backend, each.carried) for each in now.split] == [("mailtrap", 1)]
    assert not now.problem

    dropin.attach(early, mailer)
    assert "ses in eu-north-1" in dropin.status().attached
    assert "ses in eu-north-1" not in dropin.status().passed_by

    dropin.uninstall()
    assert "sesv2 in eu-south-1" in dropin.status().passed_by


def test_a_client_that_nobody_holds_is_not_in_the_status(mailer: Mailer) -> None:
    made: Any = boto3.Session().client("ses", **{**KEYS, "region_name": "eu-north-9"})
    made.itself = made
    del made

    assert "ses in eu-north-9" not in dropin.status().passed_by


def test_the_status_says_what_is_wrong_with_the_split(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MAILBALANCE_SPLIT", raising=False)
    before = default.replace_default(None)
    try:
        dropin.install()
        now = dropin.status()
    finally:
        default.replace_default(before)

    assert now.split == ()
    assert "MAILBALANCE_SPLIT is not set" in now.problem


@pytest.fixture
def aio(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Makes stand-ins of aiobotocore's clients, which have botocore's as a base."""
    module = types.ModuleType("aiobotocore")
    monkeypatch.setitem(sys.modules, "aiobotocore", module)
    base = type("AioBaseClient", (BaseClient,), {"__module__": "aiobotocore.client"})

    def make(service: str = "sesv2", region: str = "eu-west-1") -> Any:
        plain: Any = boto3.client(service, **{**KEYS, "region_name": region})
        kind = type(type(plain).__name__, (base,), {"__module__": "aiobotocore.client"})
        made: Any = kind.__new__(kind)
        vars(made).update(vars(plain))
        return made

    return make


@pytest.mark.parametrize("service", ["ses", "sesv2"])
def test_an_aiobotocore_client_is_turned_away_with_what_works(
    service: str, aio: Callable[..., Any], mailer: Mailer
) -> None:
    with pytest.raises(TypeError, match=r"asyncio\.to_thread.*asend"):
        dropin.attach(aio(service), mailer)


def test_install_says_once_that_aiobotocore_is_not_covered(
    aio: Callable[..., Any], mailer: Mailer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "mailbalance"):
        dropin.install(mailer)
        dropin.install(mailer)
        boto3.client("ses", **KEYS)

    assert len([text for text in warned(caplog) if "aiobotocore" in text]) == 1


def test_an_aiobotocore_imported_later_is_named_at_the_next_client(
    mailer: Mailer,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "aiobotocore", raising=False)
    with caplog.at_level(logging.WARNING, "mailbalance"):
        dropin.install(mailer)
        assert not [text for text in warned(caplog) if "aiobotocore" in text]
        monkeypatch.setitem(sys.modules, "aiobotocore", types.ModuleType("aiobotocore"))
        boto3.client("ses", **KEYS)

    assert len([text for text in warned(caplog) if "aiobotocore" in text]) == 1


def test_the_status_names_aiobotocore_clients(
    aio: Callable[..., Any], mailer: Mailer
) -> None:
    client = aio(region="eu-central-9")
    dropin.install(mailer)

    assert "sesv2 in eu-central-9 (aiobotocore)" in dropin.status().passed_by
    assert client
