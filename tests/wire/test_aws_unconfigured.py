"""Where nothing but keys and a region is set, botocore is not imported, nor missed."""

from __future__ import annotations

import subprocess
import sys

import pytest
from botocore.endpoint_provider import EndpointProvider
from botocore.loaders import Loader

from mailbalance.wire import aws_unconfigured
from mailbalance.wire.aws import AwsChain, _new_session
from mailbalance.wire.sigv4 import Keys

KEYS = {"AWS_ACCESS_KEY_ID": "AK", "AWS_SECRET_ACCESS_KEY": "SK"}
PLAIN = {**KEYS, "AWS_SESSION_TOKEN": "ST", "AWS_REGION": "eu-west-1"}

SAYS = """
import sys
from mailbalance.wire.aws import AwsChain
for environ in (None, {environ!r}):
    chain = AwsChain(backend="ses", environ=environ)
    keys = chain.keys()
    assert (keys.access_key, keys.secret_key, keys.token) == ("AK", "SK", "ST")
    assert chain.endpoint() == "https://email.eu-west-1.amazonaws.com"
    assert chain.ca_bundle() is None
sys.exit("botocore" in sys.modules)
"""


def imports_botocore(environ):
    script = SAYS.format(environ=environ)
    done = subprocess.run([sys.executable, "-c", script], env=environ, check=False)
    return bool(done.returncode)


def of_botocore(environ):
    """Give keys, endpoint and CA bundle as botocore itself says them."""
    session = _new_session(None, environ)
    credentials = session.get_component("credential_provider").load_credentials()
    frozen = credentials.get_frozen_credentials()
    client = session.create_client("sesv2", "eu-west-1")
    endpoint = client.meta.endpoint_url
    client.close()
    keys = Keys(frozen.access_key, frozen.secret_key, frozen.token)
    return keys, endpoint, session.get_config_variable("ca_bundle")


def of_ours(environ):
    chain = AwsChain(backend="ses", environ=environ, region="eu-west-1")
    return chain.keys(), chain.endpoint(), chain.ca_bundle()


def test_keys_and_a_region_in_the_environment_need_no_botocore(tmp_path):
    assert not imports_botocore({**PLAIN, "HOME": str(tmp_path)})


def test_a_directory_of_aws_in_the_home_does(tmp_path):
    (tmp_path / ".aws").mkdir()

    assert imports_botocore({**PLAIN, "HOME": str(tmp_path)})


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"AWS_SESSION_TOKEN": ""},
        {"AWS_SECURITY_TOKEN": "OTHER"},
        {"AWS_CREDENTIAL_EXPIRATION": "2126-11-23T00:00:00Z"},
        {"AWS_CA_BUNDLE": "/a.pem"},
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:1/all"},
        {"AWS_ENDPOINT_URL_SESV2": "http://127.0.0.1:1/ses"},
        {"AWS_USE_FIPS_ENDPOINT": "true"},
        {"AWS_USE_DUALSTACK_ENDPOINT": "true"},
        {"AWS_EXECUTION_ENV": "AWS_Lambda_python3.13", "AWS_LAMBDA_FUNCTION_NAME": "f"},
        {"AWS_EC2_METADATA_DISABLED": "true", "AWS_DEFAULT_REGION": "us-east-2"},
    ],
)
def test_the_answers_are_botocores(tmp_path, more):
    environ = {**PLAIN, "HOME": str(tmp_path), **more}

    assert of_ours(environ) == of_botocore(environ)


@pytest.mark.parametrize("home", ["{}", "$ELSEWHERE", "~", None])
def test_they_are_so_wherever_the_files_are(tmp_path, monkeypatch, home):
    (tmp_path / ".aws").mkdir()
    text = "[default]\nendpoint_url=http://127.0.0.1:2/f\nca_bundle=/f.pem\n"
    (tmp_path / ".aws" / "credentials").write_text(text)
    monkeypatch.setenv("ELSEWHERE", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    environ = PLAIN if home is None else {**PLAIN, "HOME": home.format(tmp_path)}

    found = of_ours(environ)

    assert found == of_botocore(environ)
    assert (found[2] == "/f.pem") == (home is not None)


@pytest.mark.parametrize("missing", list(KEYS))
def test_half_a_pair_of_keys_is_left_to_botocore(missing):
    assert aws_unconfigured.keys({**KEYS, missing: ""}) is None


def test_the_endpoint_of_every_region_is_botocores():
    loader = Loader()
    partitions = loader.load_data("partitions")
    rules = loader.load_service_model("sesv2", "endpoint-rule-set-1")
    provider = EndpointProvider(rules, partitions)
    regions = [name for each in partitions["partitions"] for name in each["regions"]]
    known = 0
    for region in [*regions, "eu-nowhere-7", "us-gov-nowhere-1", "nowhere"]:
        found = aws_unconfigured.endpoint(region)
        theirs = provider.resolve_endpoint(
            Region=region, UseFIPS=False, UseDualStack=False
        )
        known += found is not None
        assert found in (None, theirs.url)

    assert known >= 30
