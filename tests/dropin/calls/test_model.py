"""The table and the readers against botocore's own model of the sending operations."""

import re

import pytest
from botocore.validate import ParamValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from mailbalance.backends._mailtrap_request import reason_against
from mailbalance.dropin.calls import OPERATIONS, explain, fault_of, read_call
from mailbalance.dropin.calls.parameters import TABLE
from mailbalance.dropin.calls.parameters import given as parameters_given
from mailbalance.errors import MessageError
from mailbalance.message import Envelope
from tests.dropin.calls.shapes import calls, leaves, model, shape_of

EVERY = pytest.mark.parametrize(("service", "operation"), sorted(OPERATIONS))
TEMPLATES = st.sampled_from([{}, {"t": "0f0e0d0c-0000-4000-8000-000000000000"}])


@EVERY
def test_every_parameter_that_botocore_knows_is_in_the_table(service, operation):
    known = set(leaves(shape_of(service, operation)))

    assert known - set(TABLE[service, operation]) == set()


@EVERY
def test_the_table_names_nothing_that_the_newest_botocore_lacks(service, operation):
    known = set(leaves(shape_of(service, operation)))
    if "ConfigurationOverrides" not in shape_of("sesv2", "SendEmail").members:
        pytest.skip("an older botocore, which lacks some of them")

    assert set(TABLE[service, operation]) - known == set()


def test_operations_that_send_mail_are_all_read():
    names = {name for _, name in OPERATIONS} | {
        "SendBounce",
        "SendCustomVerificationEmail",
    }
    sending = {
        name
        for service in ("ses", "sesv2")
        for name in _operation_names(service)
        if name.startswith("Send")
    }

    assert sending == names


def _operation_names(service):
    return model(service).operation_names


def _read(service, operation, params, templates):
    try:
        return read_call(service, operation, params, templates=templates)
    except MessageError as error:
        return error


@EVERY
@settings(max_examples=40)
@given(data=st.data())
def test_every_call_is_read_or_refused_by_name(service, operation, data):
    shape = shape_of(service, operation)
    params = data.draw(calls(shape))
    assert not ParamValidator().validate(params, shape).has_errors()

    call = _read(service, operation, params, data.draw(TEMPLATES))

    if isinstance(call, MessageError):
        named = re.match(r"\w+", str(call))
        assert named[0] in shape.members
        assert "no recipient" in str(call)
        return
    assert call.params is params
    for part in call.parts:
        assert part.message.size() >= 0
        if part.only_ses is None and part.message.from_ is not None:
            envelope = part.envelope or Envelope.of(part.message)
            reason_against(part.message, envelope)


@EVERY
@settings(max_examples=40)
@given(data=st.data())
def test_faults_are_told_in_the_codes_of_the_service(service, operation, data):
    fault = fault_of(service, operation, data.draw(calls(shape_of(service, operation))))

    codes = {
        "ses": {"InvalidParameterValue", "ConfigurationSetDoesNotExist"},
        "sesv2": {"BadRequestException", "NotFoundException"},
    }
    assert fault is None or (fault.code in codes[service] and fault.message)


@EVERY
@settings(max_examples=40)
@given(data=st.data())
def test_an_explanation_has_a_row_for_every_parameter_given(service, operation, data):
    params = data.draw(calls(shape_of(service, operation)))

    explanation = explain(operation, params, service=service)

    assert [row.path for row in explanation.rows] == list(parameters_given(params))
    assert str(explanation)


@EVERY
def test_a_parameter_that_nobody_knows_yet_stays_on_ses(service, operation):
    params = {
        "Source": "a@example.com",
        "Destinations": ["b@example.com"],
        "New": {"A": 1},
    }
    if "Bulk" in operation:
        params["Destinations"] = [{"Destination": {"ToAddresses": ["b@example.com"]}}]
        params["BulkEmailEntries"] = params["Destinations"]
    params["Destination"] = {"ToAddresses": ["b@example.com"]}

    (part, *_) = read_call(service, operation, params, templates={}).parts

    assert "New.A: this version of mailbalance does not know it" in part.only_ses
