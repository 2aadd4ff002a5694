"""Explanations of one call, and the page that explains all of them."""

from pathlib import Path

import pytest

from mailbalance.dropin.calls import Row, explain
from mailbalance.dropin.calls.page import page
from tests.dropin.calls.samples import RAW, UUID, bulk_v1, raw_v2, stored, v1, v2

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "dropin-parameters.md"


def test_the_reference_page_is_what_the_code_says():
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "make it anew: python -m mailbalance.dropin.calls.page > " + PAGE.name
    )


def test_a_call_is_told_parameter_by_parameter():
    explanation = explain("send_email", v1(ConfigurationSetName="s"), service="ses")

    assert explanation.rows[0] == Row("Source", "carried", "from_")
    assert {row.path: row.effect for row in explanation.rows}[
        "ConfigurationSetName"
    ] == "not needed"
    assert str(explanation).endswith("Mailtrap's API can carry it.")


def test_values_are_never_shown():
    params = v2(EmailTags=[{"Name": "secret", "Value": "secret"}], TenantName="secret")

    assert "secret" not in str(explain("SendEmail", params))


@pytest.mark.parametrize(
    ("templates", "effect"), [({}, "stays on SES"), ({"welcome": UUID}, "translated")]
)
def test_whether_a_template_is_mapped_is_told(templates, effect):
    explanation = explain("SendEmail", stored(), templates=templates)

    assert {row.path: row.effect for row in explanation.rows}[
        "Content.Template.TemplateName"
    ] == effect


def test_what_mailtraps_api_cannot_say_of_a_raw_message_is_told():
    twice = raw_v2(RAW.replace(b"Subject:", b"X-A: 1\r\nX-A: 2\r\nSubject:"))

    assert "only the original carries: X-A" in str(explain("SendEmail", twice))


def test_a_bulk_call_has_one_row_for_a_parameter_of_all_entries():
    explanation = explain("SendBulkTemplatedEmail", bulk_v1({}, {}), service="ses")

    paths = [row.path for row in explanation.rows]
    assert paths.count("Destinations[].Destination.ToAddresses[]") == 1


def test_a_call_without_recipients_is_explained_too():
    assert "no recipient" in str(explain("SendEmail", v2(Destination={})))


def test_an_operation_that_sends_nothing_is_refused():
    with pytest.raises(ValueError, match="SendBulkEmail, SendEmail"):
        explain("get_account", {})
