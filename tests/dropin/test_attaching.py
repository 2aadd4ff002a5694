"""The three ways in, and the way out."""

from __future__ import annotations

import gc
import pickle
import weakref
from collections.abc import Iterator
from typing import Any

import boto3
import botocore.session
import pytest

from mailbalance import Mailer, MemoryBackend, dropin
from tests.dropin.conftest import KEYS, V1, V2


@pytest.fixture
def memory() -> MemoryBackend:
    return MemoryBackend("mailtrap")


@pytest.fixture
def mailer(memory: MemoryBackend) -> Mailer:
    return Mailer({memory: 100})


@pytest.fixture(autouse=True)
def nothing_stays_installed() -> Iterator[None]:
    before: Any = botocore.session.Session.create_client
    yield
    dropin.uninstall()
    assert botocore.session.Session.create_client is before


@pytest.mark.parametrize("service", ["ses", "sesv2"])
def test_the_client_is_a_genuine_one(service: str, mailer: Mailer) -> None:
    plain = boto3.client(service, **KEYS)
    client = dropin.client(service, mailer, **KEYS)

    assert type(client).__mro__[1:] == type(plain).__mro__[1:]
    assert type(client).__name__ == type(plain).__name__
    assert dir(client) == dir(plain)
    assert client.meta.region_name == "eu-west-1"
    assert client.meta.method_to_api_mapping == plain.meta.method_to_api_mapping
    assert client.waiter_names == plain.waiter_names


def test_paginators_waiters_and_presigned_urls_are_there(mailer: Mailer) -> None:
    client = dropin.client("ses", mailer, **KEYS)

    assert client.can_paginate("list_identities")
    assert client.get_paginator("list_identities")
    assert client.get_waiter("identity_exists")
    assert "Action=SendEmail" in client.generate_presigned_url("send_email", V1)


def test_a_client_pickles_as_little_as_a_plain_one(mailer: Mailer) -> None:
    with pytest.raises(Exception) as plain:
        pickle.dumps(boto3.client("ses", **KEYS))

    with pytest.raises(type(plain.value)):
        pickle.dumps(dropin.client("ses", mailer, **KEYS))


def test_a_client_is_freed_when_nobody_holds_it(mailer: Mailer) -> None:
    client = dropin.attach(boto3.session.Session().client("ses", **KEYS), mailer)
    gone = weakref.ref(client)

    del client
    gc.collect()

    assert gone() is None


def test_attaching_twice_sends_once(mailer: Mailer, memory: MemoryBackend) -> None:
    client = dropin.client("sesv2", mailer, **KEYS)

    assert dropin.attach(client, mailer) is client
    client.send_email(**V2)

    assert len(memory.sent) == 1


def test_attaching_again_replaces_the_mailer(mailer: Mailer) -> None:
    other = MemoryBackend("other")
    client = dropin.client("sesv2", mailer, **KEYS)

    dropin.attach(client, Mailer({other: 100}))
    client.send_email(**V2)

    assert len(other.sent) == 1


def test_detach_gives_the_plain_client_back(
    at_box: Any, mailer: Mailer, memory: MemoryBackend, box: Any
) -> None:
    client = dropin.attach(at_box(), mailer)

    dropin.detach(client)
    dropin.detach(client)
    client.send_email(**V2)

    assert (len(box.messages("ses")), len(memory.sent)) == (1, 0)


def test_two_mailers_serve_two_clients(mailer: Mailer, memory: MemoryBackend) -> None:
    other = MemoryBackend("other")
    first = dropin.client("sesv2", mailer, **KEYS)
    second = dropin.client("sesv2", Mailer({other: 100}), **KEYS)

    first.send_email(**V2)
    second.send_email(**V2)
    second.send_email(**V2)

    assert (len(memory.sent), len(other.sent)) == (1, 2)


@pytest.mark.parametrize("service", ["s3", "sts"])
def test_clients_of_other_services_are_turned_away(service: str) -> None:
    with pytest.raises(TypeError, match="ses or sesv2"):
        dropin.attach(boto3.client(service, **KEYS))


MAKERS = {
    "boto3.client": lambda: boto3.client("sesv2", **KEYS),
    "a session": lambda: boto3.Session().client("sesv2", **KEYS),
    "botocore": lambda: botocore.session.Session().create_client("sesv2", **KEYS),
}


@pytest.mark.parametrize("way", MAKERS)
def test_install_reaches_clients_made_afterwards(
    way: str, mailer: Mailer, memory: MemoryBackend
) -> None:
    dropin.install(mailer)

    MAKERS[way]().send_email(**V2)

    assert len(memory.sent) == 1


def test_install_reaches_sessions_made_before(
    mailer: Mailer, memory: MemoryBackend
) -> None:
    session = boto3.Session()
    dropin.install(mailer)

    session.client("ses", **KEYS).send_email(**V1)

    assert len(memory.sent) == 1


def test_install_leaves_clients_made_before_alone(
    at_box: Any, mailer: Mailer, box: Any
) -> None:
    client = at_box()
    dropin.install(mailer)

    client.send_email(**V2)

    assert len(box.messages("ses")) == 1


def test_uninstall_gives_its_clients_back(
    at_box: Any, mailer: Mailer, box: Any
) -> None:
    dropin.install(mailer)
    client = at_box()
    dropin.uninstall()

    client.send_email(**V2)

    assert len(box.messages("ses")) == 1


def test_installing_again_sets_the_mailer_of_later_clients(mailer: Mailer) -> None:
    other = MemoryBackend("other")
    dropin.install(mailer)
    dropin.install(Mailer({other: 100}))

    boto3.client("sesv2", **KEYS).send_email(**V2)

    assert len(other.sent) == 1


def test_a_block_gives_back_what_was_installed_around_it(
    mailer: Mailer, memory: MemoryBackend
) -> None:
    inner = MemoryBackend("inner")
    dropin.install(mailer)
    outer_client: Any = boto3.client("sesv2", **KEYS)
    with dropin.installed(Mailer({inner: 100})):
        boto3.client("sesv2", **KEYS).send_email(**V2)

    outer_client.send_email(**V2)
    boto3.client("sesv2", **KEYS).send_email(**V2)

    assert (len(inner.sent), len(memory.sent)) == (1, 2)


def test_an_explicit_mailer_wins_over_the_installed_one(
    mailer: Mailer, memory: MemoryBackend
) -> None:
    own = MemoryBackend("own")
    dropin.install(mailer)

    dropin.client("sesv2", Mailer({own: 100}), **KEYS).send_email(**V2)

    assert (len(own.sent), len(memory.sent)) == (1, 0)


def test_install_survives_another_wrapper(
    mailer: Mailer, memory: MemoryBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    import functools

    dropin.install(mailer)
    ours: Any = botocore.session.Session.create_client

    @functools.wraps(ours)
    def around(*args: Any, **more: Any) -> Any:
        return ours(*args, **more)

    with monkeypatch.context() as patched:
        patched.setattr(botocore.session.Session, "create_client", around)
        dropin.install(mailer)
        boto3.client("sesv2", **KEYS).send_email(**V2)
        dropin.uninstall()
        plain: Any = boto3.client("sesv2", **KEYS)
        assert (
            "mailbalance-answer" not in plain.meta.events._emitter._unique_id_handlers
        )

    assert len(memory.sent) == 1


def test_clients_of_other_services_are_made_as_before(mailer: Mailer) -> None:
    dropin.install(mailer)

    s3: Any = boto3.client("s3", **KEYS)

    assert "mailbalance-answer" not in s3.meta.events._emitter._unique_id_handlers
