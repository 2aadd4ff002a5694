"""The two HTTP doors as pure functions: no request may break them."""

import json
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as Keys
from hypothesis import example, given
from hypothesis import strategies as st

from mailbalance.sandbox.control import as_text
from mailbalance.sandbox.credentials import Credentials
from mailbalance.sandbox.http import Answer, Call
from mailbalance.sandbox.mailtrap import MailtrapDoor
from mailbalance.sandbox.reading import read
from mailbalance.sandbox.ses import SesDoor

KEYS = Credentials()
ADDRESS = {"email": "a@example.com"}
GOOD = {"from": ADDRESS, "to": [ADDRESS], "subject": "s", "text": "t"}
TEXT = st.text(max_size=8) | st.sampled_from(["a@example.com", "eA==", "\ud800", "é"])
VALUE: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | TEXT,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3)
    ),
    max_leaves=6,
)


def requests(names: str, good: dict[str, Any]) -> st.SearchStrategy[Any]:
    """A good request with some of its fields spoilt, or no request at all."""
    changes = st.dictionaries(st.sampled_from(names.split()), VALUE, max_size=4)
    return changes.map(lambda changed: good | changed) | VALUE


MAILTRAP = requests(
    "from to cc bcc reply_to subject text html category headers custom_variables "
    "attachments template_uuid template_variables base requests",
    GOOD,
)
SIMPLE = requests(
    "Subject Body Headers Attachments",
    {"Subject": {"Data": "s"}, "Body": {"Text": {"Data": "t"}}},
)
CONTENT = (
    st.fixed_dictionaries({"Simple": SIMPLE})
    | st.fixed_dictionaries({"Raw": VALUE})
    | st.fixed_dictionaries({"Raw": st.fixed_dictionaries({"Data": VALUE})})
    | st.fixed_dictionaries({"Template": VALUE})
    | VALUE
)
SES = st.tuples(
    requests(
        "FromEmailAddress Destination ReplyToAddresses EmailTags ConfigurationSetName",
        {
            "FromEmailAddress": "a@example.com",
            "Destination": {"ToAddresses": ["a@example.com"]},
        },
    ),
    CONTENT,
).map(lambda pair: pair[0] | {"Content": pair[1]} if isinstance(pair[0], dict) else [])


def check(door: str, answer: Answer) -> None:
    """A reply of a known kind; what was accepted can be read and shown."""
    assert answer.status in {200, 400, 401, 404, 413}
    assert json.loads(answer.body)
    for arrival in answer.accepted:
        parsed = read(door, arrival.raw, arrival.recipients)
        assert as_text({"subject": parsed.subject, "variables": parsed.variables})
        assert all("@" in each for each in arrival.recipients)


@given(MAILTRAP, st.sampled_from(["/api/send", "/api/batch", "/api/send/7"]))
@example(GOOD | {"custom_variables": {"a": "\ud800"}}, "/api/send")
@example({"base": GOOD, "requests": [{"subject": "\ud800"}]}, "/api/batch")
def test_no_request_breaks_the_mailtrap_door(request: Any, path: str) -> None:
    headers = {"user-agent": "t", "api-token": KEYS.token}
    body = json.dumps(request).encode()

    answer = MailtrapDoor(KEYS, None).answer(Call("POST", path, "", headers, body))

    check("mailtrap", answer)


@given(SES)
def test_no_request_breaks_the_ses_door(request: Any) -> None:
    body = json.dumps(request).encode()
    signed = AWSRequest("POST", "http://x/v2/email/outbound-emails", data=body)
    SigV4Auth(Keys(KEYS.access_key, KEYS.secret_key), "ses", "x").add_auth(signed)
    headers = {"host": "x"} | {k.lower(): v for k, v in signed.headers.items()}
    call = Call("POST", "/v2/email/outbound-emails", "", headers, body)

    check("ses", SesDoor(KEYS, None, lambda: 0).answer(call))
