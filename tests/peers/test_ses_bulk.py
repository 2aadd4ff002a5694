"""Messages of a stored template, many at once: counted where SES would take them."""

import asyncio
import json
from collections import Counter

import pytest

from mailbalance import Mailer, MemoryBackend, Message, SesBackend
from tests.peers.sandbox_clients import sesv2

BULK, SINGLE = "/v2/email/outbound-bulk-emails", "/v2/email/outbound-emails"


def letters(count):
    return [
        Message(
            from_="shop@example.com",
            to=f"p{number}@example.com",
            ses={"template_name": "welcome", "template_data": {"n": number}},
        )
        for number in range(count)
    ]


def ses(box):
    keys = box.credentials
    return SesBackend(
        region="eu-west-1",
        endpoint=box.urls()["ses"],
        access_key=keys.access_key,
        secret_key=keys.secret_key,
        environ={},
    )


@pytest.fixture(params=["sync", "async"])
def results_of(request):
    """Send many through a mailer and give their results."""

    def sync(mailer, messages):
        with mailer:
            return list(mailer.send_many(messages))

    def looped(mailer, messages):
        async def go():
            async with mailer:
                return [each async for each in mailer.asend_many(messages)]

        return asyncio.run(go())

    return sync if request.param == "sync" else looped


def paths(box):
    return Counter(each.path for each in box.messages("ses"))


def numbers(box):
    return sorted(
        json.loads(json.loads(each.raw)["Content"]["Template"]["TemplateData"])["n"]
        for each in box.messages("ses")
    )


def test_messages_of_one_template_arrive_each_with_its_own_data(box, results_of):
    results = results_of(Mailer({ses(box): 100}), letters(120))

    assert all(result.ok for result in results)
    assert numbers(box) == list(range(120))
    assert paths(box) == {BULK: 120}


def test_receipts_name_the_ids_that_ses_gave(box, results_of):
    results = results_of(Mailer({ses(box): 100}), letters(60))

    given = {each.recipients: each.provider_ids for each in box.messages("ses")}
    assert given == {
        each.receipt.accepted: each.receipt.provider_ids for each in results
    }


def test_the_split_stays_exact(box, results_of):
    other = MemoryBackend("other")

    results_of(Mailer({ses(box): 60, other: 40}), letters(100))

    assert (len(box.messages("ses")), len(other.sent)) == (60, 40)


def test_a_key_that_may_not_send_in_bulk_sends_one_by_one(box, results_of):
    box.fault("ses", "error", code=403, text="ses:SendBulkEmail", count=1)
    backend = ses(box)

    results = results_of(Mailer({backend: 100}), letters(50))

    assert all(result.ok for result in results)
    assert paths(box) == {SINGLE: 50}
    assert backend.lane(letters(1)[0]) is None


def test_boto3_is_answered_entry_by_entry(box):
    reply = sesv2(box).send_bulk_email(
        FromEmailAddress="shop@example.com",
        DefaultContent={"Template": {"TemplateName": "t", "TemplateData": '{"a": 1}'}},
        BulkEmailEntries=[
            {"Destination": {"ToAddresses": ["a@example.com"]}},
            {"Destination": {"ToAddresses": ["not an address"]}},
        ],
    )

    assert [each["Status"] for each in reply["BulkEmailEntryResults"]] == [
        "SUCCESS",
        "INVALID_PARAMETER",
    ]
    (stored,) = box.messages("ses")
    assert stored.parsed.template == "t"


def test_boto3_cannot_send_51_at_once(box):
    client = sesv2(box)
    entries = [{"Destination": {"ToAddresses": ["a@example.com"]}}] * 51

    with pytest.raises(client.exceptions.BadRequestException):
        client.send_bulk_email(
            FromEmailAddress="shop@example.com",
            DefaultContent={"Template": {"TemplateName": "t", "TemplateData": "{}"}},
            BulkEmailEntries=entries,
        )

    assert len(box.messages()) == 0
