"""Keys, region and endpoint: what a boto3 client would find, and no other environment."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import boto3
import pytest

from mailbalance import TransientError, UnavailableError
from mailbalance.wire.aws import AwsChain
from mailbalance.wire.sigv4 import Keys
from tests.canary import told

#: Every way in which the process's own environment could tell botocore something.
POISON = {
    "AWS_ACCESS_KEY_ID": "LEAKED",
    "AWS_SECRET_ACCESS_KEY": "LEAKED",
    "AWS_SESSION_TOKEN": "LEAKED",
    "AWS_REGION": "leaked-1",
    "AWS_DEFAULT_REGION": "leaked-1",
    "AWS_ENDPOINT_URL": "http://leaked.invalid",
    "AWS_ENDPOINT_URL_SESV2": "http://leaked.invalid",
    "AWS_ENDPOINT_URL_STS": "http://leaked.invalid",
    "AWS_CA_BUNDLE": "/leaked.pem",
    "AWS_PROFILE": "leaked",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/leaked",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/leaked",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9/leaked",
    "AWS_CREDENTIAL_FILE": "/leaked",
    "BOTO_CONFIG": "/leaked",
}
OFF = {"AWS_EC2_METADATA_DISABLED": "true"}
KEYS = {"AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "SK"}


@pytest.fixture
def poisoned(monkeypatch, tmp_path):
    """An environment full of AWS settings, files included, that must not be seen."""
    (tmp_path / ".aws").mkdir()
    text = "[default]\nregion=leaked-1\naws_access_key_id=LEAKED\n"
    text += "aws_secret_access_key=LEAKED\n[profile leaked]\nregion=leaked-1\n"
    (tmp_path / ".aws" / "config").write_text(text)
    (tmp_path / ".aws" / "credentials").write_text(text)
    files = {
        "HOME": str(tmp_path),
        "AWS_CONFIG_FILE": str(tmp_path / ".aws" / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / ".aws" / "credentials"),
    }
    for name, value in {**POISON, **files}.items():
        monkeypatch.setenv(name, value)


def chain(environ, **given):
    return AwsChain(backend="ses", environ={**OFF, **environ}, **given)


def test_nothing_of_the_process_environment_gives_keys(poisoned):
    with pytest.raises(UnavailableError, match="AWS_ACCESS_KEY_ID"):
        chain({}).keys()


def test_nothing_of_the_process_environment_gives_a_region(poisoned):
    with pytest.raises(UnavailableError, match="set AWS_REGION"):
        chain({}).region()


def test_nothing_of_the_process_environment_gives_an_endpoint(poisoned):
    found = chain({"AWS_REGION": "eu-west-1"}).endpoint()

    assert found == "https://email.eu-west-1.amazonaws.com"


def test_nothing_of_the_process_environment_gives_a_ca_bundle(poisoned):
    assert chain({}).ca_bundle() is None


def test_the_poison_would_work_if_it_were_seen(poisoned):
    seen = AwsChain(backend="ses", environ=None)

    assert seen.region() == "leaked-1"
    assert seen.endpoint() == "http://leaked.invalid"
    assert seen.keys().access_key == "LEAKED"


def test_keys_come_from_the_mapping_with_their_session_token(poisoned):
    found = chain({**KEYS, "AWS_SESSION_TOKEN": "ST"}).keys()

    assert found == Keys("AK", "SK", "ST")


def test_files_come_from_the_home_of_the_mapping(poisoned, tmp_path):
    home = tmp_path / "home"
    (home / ".aws").mkdir(parents=True)
    (home / ".aws" / "credentials").write_text(
        "[work]\naws_access_key_id=FILE\naws_secret_access_key=S\n"
    )
    (home / ".aws" / "config").write_text(
        "[profile work]\nregion=eu-north-1\nendpoint_url=http://127.0.0.1:5/x\n"
    )

    found = chain({"HOME": str(home)}, profile="work")

    assert found.keys().access_key == "FILE"
    assert found.region() == "eu-north-1"
    assert found.endpoint() == "http://127.0.0.1:5/x"


@pytest.mark.parametrize(
    ("environ", "region"),
    [
        ({"AWS_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "us-east-2"}, "us-east-2"),
        ({"AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": ""}, "eu-west-1"),
    ],
)
def test_aws_region_counts_when_the_default_region_is_unset(environ, region):
    assert chain(environ).region() == region


def test_a_region_given_wins():
    assert (
        chain({"AWS_REGION": "eu-west-1"}, region="us-west-2").region() == "us-west-2"
    )


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"AWS_USE_FIPS_ENDPOINT": "true"},
        {"AWS_USE_DUALSTACK_ENDPOINT": "true"},
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:1/all"},
        {"AWS_ENDPOINT_URL_SESV2": "http://127.0.0.1:1/ses"},
        {"AWS_ENDPOINT_URL_SESV2": "http://a/", "AWS_ENDPOINT_URL": "http://b"},
        {"AWS_ENDPOINT_URL": "http://b", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
    ],
)
@pytest.mark.parametrize("region", ["eu-west-1", "cn-north-1"])
def test_the_endpoint_is_the_one_boto3_would_use(monkeypatch, environ, region):
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    theirs = boto3.client(
        "sesv2", region, aws_access_key_id="A", aws_secret_access_key="B"
    )

    mapped = chain(environ, region=region).endpoint()
    unmapped = AwsChain(backend="ses", region=region).endpoint()

    assert mapped == unmapped == theirs.meta.endpoint_url.rstrip("/")
    theirs.close()


@pytest.fixture
def container():
    """A metadata service as containers have it; counts what it gave out."""

    class Handler(BaseHTTPRequestHandler):
        given = 0
        lifetime = timedelta(hours=6)
        delay = threading.Event()

        def do_GET(self):
            cls = type(self)
            cls.delay.wait(5)
            cls.given += 1
            until = datetime.now(UTC) + cls.lifetime
            body = json.dumps(
                {
                    "AccessKeyId": f"ROLE{cls.given}",
                    "SecretAccessKey": "S",
                    "Token": "T",
                    "Expiration": until.strftime("%Y-%m-%dT%H:%M:%SZ"),
                }
            ).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    Handler.delay.set()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/keys"
    yield {"AWS_CONTAINER_CREDENTIALS_FULL_URI": url}, Handler
    Handler.delay.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_keys_of_a_role_are_fetched_once(poisoned, container):
    environ, service = container
    role = chain(environ)

    assert [role.keys().access_key for _ in range(3)] == ["ROLE1"] * 3
    assert service.given == 1


def test_keys_about_to_expire_are_fetched_anew(container):
    environ, service = container
    service.lifetime = timedelta(minutes=1)
    role = chain(environ)

    assert role.keys() != role.keys()


def test_keys_that_are_valid_still_are_used_while_their_service_is_silent(container):
    environ, service = container
    service.lifetime = timedelta(minutes=12)
    role = chain(environ)
    first = role.keys()

    service.delay.clear()
    assert role.keys(timeout=0.0) == role.keys(timeout=0.0) == first

    service.delay.set()
    for _ in range(500):  # what comes too late is kept
        if role.keys() != first:
            break
        time.sleep(0.01)
    assert role.keys() != first


def test_forgotten_keys_are_fetched_anew(container):
    role = chain(container[0])
    used = role.keys()

    role.forget(used)

    assert role.keys().access_key == "ROLE2"


def test_keys_that_were_replaced_meanwhile_are_not_forgotten_twice(container):
    role = chain(container[0])
    used = role.keys()
    role.forget(used)
    role.keys()

    role.forget(used)

    assert role.keys().access_key == "ROLE2"


def test_many_threads_fetch_keys_once(container):
    environ, service = container
    role = chain(environ)
    threads = [threading.Thread(target=role.keys) for _ in range(8)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert service.given == 1


def test_fetching_keys_never_blocks_the_event_loop(container):
    environ, service = container
    service.delay.clear()
    role = chain(environ)

    async def fetch_while_ticking():
        fetching = asyncio.create_task(role.akeys(timeout=5))
        for _ in range(5):
            await asyncio.sleep(0)
        service.delay.set()
        return await fetching

    assert asyncio.run(fetch_while_ticking()).access_key == "ROLE1"


def test_waiting_for_keys_ends_in_time(container):
    environ, service = container
    service.delay.clear()

    async def fetch():
        with pytest.raises(TransientError, match="in time"):
            await chain(environ).akeys(timeout=0.05)
        service.delay.set()

    asyncio.run(fetch())


def test_keys_that_come_too_late_serve_the_next_send(container):
    environ, service = container
    service.delay.clear()
    role = chain(environ)

    with pytest.raises(TransientError, match="in time"):
        role.keys(timeout=0.05)
    service.delay.set()

    assert role.keys().access_key == "ROLE1"
    assert service.given == 1


def test_a_metadata_service_that_fails_is_trouble_that_may_pass():
    environ = {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9/nobody"}
    role = chain(environ)
    role._session().get_component("credential_provider").get_provider(
        "container-role"
    )._fetcher._sleep = lambda _: None

    with pytest.raises(TransientError, match="botocore cannot say"):
        role.keys()


@pytest.mark.parametrize(
    "keys",
    [
        {"AccessKeyId": 5, "SecretAccessKey": "helper-word"},
        {"AccessKeyId": ["helper-word"], "SecretAccessKey": {"a": 1}},
        {"AccessKeyId": "A", "SecretAccessKey": "S", "SessionToken": ["helper-word"]},
    ],
    ids=["number", "list", "token"],
)
def test_keys_of_a_helper_that_are_no_text_are_unavailable(tmp_path, keys):
    (tmp_path / "said").write_text(json.dumps({"Version": 1, **keys}), "utf-8")
    (tmp_path / ".aws").mkdir()
    line = f"[default]\ncredential_process = cat {tmp_path / 'said'}\n"
    (tmp_path / ".aws" / "config").write_text(line, "utf-8")
    environ = {"HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}

    with pytest.raises(UnavailableError) as caught:
        chain(environ).keys()

    assert not any("helper-word" in text for text in told(caught.value))


def test_a_profile_that_does_not_exist_is_named():
    with pytest.raises(UnavailableError, match="nobody"):
        chain({"AWS_REGION": "eu-west-1"}, profile="nobody").keys()


def test_keys_given_are_used_without_botocore():
    script = """
import sys
from mailbalance.wire.aws import AwsChain
from mailbalance.wire.sigv4 import Keys
c = AwsChain(backend="s", region="r", endpoint="http://e/", keys=Keys("A", "B"))
assert (c.keys().access_key, c.region(), c.endpoint()) == ("A", "r", "http://e")
assert "botocore" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({"AWS_CA_BUNDLE": "/a.pem", "REQUESTS_CA_BUNDLE": "/r.pem"}, "/a.pem"),
        ({"REQUESTS_CA_BUNDLE": "/r.pem\n"}, "/r.pem"),
        ({"REQUESTS_CA_BUNDLE": ""}, None),
        ({}, None),
    ],
)
def test_certificates_are_those_of_aws_then_those_of_requests(said, found):
    assert chain({"AWS_REGION": "eu-west-1", **said}).ca_bundle() == found
