"""The keys of the local sandbox."""

import pytest

from mailbalance.sandbox.credentials import Credentials, ses_smtp_password


@pytest.mark.parametrize(
    ("region", "password"),
    [
        ("us-east-1", "BLBM/9hSUELfq8Gw+rU1YcBjkOxGbhT2XG763xVLGWL9"),
        ("eu-west-1", "BMW5RDrXmmVs0lV7GpI4oLkHXpZ4stDsk6q91z1g38Pk"),
    ],
)
def test_smtp_passwords_are_derived_as_aws_derives_them(
    region: str, password: str
) -> None:
    secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"

    assert ses_smtp_password(secret, region) == password


def test_the_passwords_of_all_regions_are_known() -> None:
    keys = Credentials(region="xx-new-9")

    known = keys.ses_smtp_passwords()

    assert keys.smtp_password in known
    assert ses_smtp_password(keys.secret_key, "eu-west-1") in known


def test_secrets_are_not_shown() -> None:
    keys = Credentials()

    shown = repr(keys)

    secrets = (keys.secret_key, keys.token, keys.sandbox_password)
    assert not any(secret in shown for secret in secrets)


def test_two_boxes_have_different_keys() -> None:
    assert Credentials() != Credentials()
