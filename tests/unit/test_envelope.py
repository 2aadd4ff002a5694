"""Who a message goes to, apart from its headers: checked before anything is sent."""

import pytest

from mailbalance.errors import MessageError
from mailbalance.message import Envelope


@pytest.mark.parametrize(
    ("recipients", "why"),
    [
        (("b@example.com, evil@evil.example",), "holds more than one address"),
        (("b@example.com\r\nRCPT TO:<evil@evil.example>",), "holds a line break"),
        (("b@example.com", "nobody"), "recipients[1]: has no @"),
        (("Bo <b@example.com>",), "recipients[0]: "),
        (("b..c@example.com",), "has a dot in the wrong place"),
        (("",), "recipients[0]: has no"),
        ((None,), "recipients[0]: must be text"),
        ("b@example.com", "recipients: is text"),
        ((), "has no recipient"),
    ],
)
def test_an_envelope_is_checked_like_any_address(recipients: object, why: str) -> None:
    with pytest.raises(MessageError) as refused:
        Envelope("a@example.com", recipients)  # type: ignore[arg-type]

    assert why in str(refused.value)
    assert "example" not in str(refused.value).replace("name@example.com", "")


def test_a_sender_is_checked_too_and_may_be_the_empty_one() -> None:
    with pytest.raises(MessageError, match="sender: "):
        Envelope("a@example.com>\r\nDATA", ("b@example.com",))
    assert Envelope("", ("b@example.com",)).sender == ""


def test_each_recipient_of_an_envelope_is_there_once() -> None:
    several = ["b@example.com", "B@example.com", "b@EXAMPLE.com", "c@münchen.example"]

    assert Envelope("", several).recipients == (  # type: ignore[arg-type]
        "b@example.com",
        "B@example.com",
        "c@xn--mnchen-3ya.example",
    )
