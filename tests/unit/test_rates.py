"""Rates, connections and processes as they are written, and what is made of them."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailbalance import (
    ConfigError,
    MailtrapBackend,
    MailtrapSmtpBackend,
    MemoryBackend,
    SesBackend,
    SesSmtpBackend,
)
from mailbalance.assembly import make_entries
from mailbalance.backend import Limits, Rate
from mailbalance.backends._mailtrap_pace import API
from mailbalance.backends._pace import Pace, Published
from mailbalance.config.rates import Wanted, divided, parse_rates, parse_whole

KEYS = {
    "AWS_ACCESS_KEY_ID": "A",
    "AWS_SECRET_ACCESS_KEY": "B",
    "AWS_REGION": "eu-west-1",
}
ALL = "ses=1,ses-smtp=1,mailtrap=1,mailtrap-smtp=1"


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("50/hour", Rate(50, 3600.0)),
        ("50/h", Rate(50, 3600.0)),
        ("14/s", Rate(14, 1.0)),
        ("14/sec", Rate(14, 1.0)),
        ("150/10s", Rate(150, 10.0)),
        ("150 / 10 seconds", Rate(150, 10.0)),
        ("500/day", Rate(500, 86400.0)),
        ("500/2days", Rate(500, 172800.0)),
        ("30/min", Rate(30, 60.0)),
        ("30/m", Rate(30, 60.0)),
        ("30/5minutes", Rate(30, 300.0)),
        ("14 recipients/s", Rate(14, 1.0, "recipients")),
        ("14recipients/s", Rate(14, 1.0, "recipients")),
        ("1 Recipient/S", Rate(1, 1.0, "recipients")),
        ("50 messages/hour", Rate(50, 3600.0)),
        ("1 message/s", Rate(1, 1.0)),
    ],
)
def test_a_rate_is_read_as_one_would_write_it(text, rate):
    assert parse_rates(text) == Wanted((rate,))


def test_a_great_many_blanks_take_no_time() -> None:
    with pytest.raises(ConfigError):
        parse_rates(f"2{' ' * 100_000}x/s")


def test_several_rates_have_commas_between():
    wanted = parse_rates("14 recipients/s, 500/day,auto")

    assert wanted.auto
    assert wanted.rates == (Rate(14, 1.0, "recipients"), Rate(500, 86400.0))


NO_RATES = """
fast|50|50/|/hour|0/s|5/0s|-5/s|1.5/s|5/week|5/s,|,5/s|5s|5/ms|5/ss|5 mails/s
5/hour recipients|9999999999/s|\u0665/s|5//s|5/s/s|5/s 6/s
"""


@pytest.mark.parametrize("text", NO_RATES.strip().replace("\n", "|").split("|"))
def test_what_is_no_rate_is_told_how_one_looks(text):
    with pytest.raises(ConfigError, match="rate= must look like 50/hour"):
        parse_rates(text)


@given(st.text(max_size=20))
def test_any_text_is_a_rate_or_a_config_error(text):
    try:
        wanted = parse_rates(text)
    except ConfigError:
        return
    assert all(rate.count > 0 and rate.period > 0 for rate in wanted.rates)


@pytest.mark.parametrize("given", ["x", "0", "-1", "", "1.5", 0, -1, True, 10**9])
def test_a_number_of_things_is_whole_and_above_zero(given):
    with pytest.raises(ConfigError, match="processes= must be a whole number above 0"):
        parse_whole(given, "processes=")


@pytest.mark.parametrize(
    ("rate", "processes", "share"),
    [
        (Rate(150, 10.0), 1, Rate(150, 10.0)),
        (Rate(150, 10.0), 4, Rate(37, 10.0)),
        (
            Rate(14, 1.0, "recipients", "account"),
            14,
            Rate(1, 1.0, "recipients", "account"),
        ),
        (Rate(14, 1.0), 28, Rate(1, 2.0)),
        (Rate(1, 3600.0), 3, Rate(1, 10800.0)),
        (Rate(100, 86400.0, used=50), 4, Rate(25, 86400.0, used=13)),
        (Rate(100, 86400.0, used=101), 2, Rate(50, 86400.0, used=50)),
        (Rate(2, 86400.0, used=2), 4, Rate(1, 172800.0, used=1)),
    ],
)
def test_a_process_gets_its_part(rate, processes, share):
    assert divided(rate, processes) == share


@given(st.integers(1, 10**6), st.integers(1, 500))
def test_all_processes_together_never_pass_a_rate(count, processes):
    share = divided(Rate(count, 60.0), processes)

    assert share.count >= 1
    assert share.count / share.period * processes <= count / 60.0 * (1 + 1e-9)


LIMITS = Limits(1, 1, "page", date(2026, 11, 23))
PUBLISHED = Published("page", date(2026, 11, 23), (Rate(150, 10.0),), concurrency=10)


@pytest.mark.parametrize(
    ("pace", "rates", "concurrency"),
    [
        (Pace(), (Rate(150, 10.0),), 10),
        (Pace(concurrency=3), (Rate(150, 10.0),), 3),
        (Pace(concurrency=30), (Rate(150, 10.0),), 10),
        (Pace(processes=4), (Rate(37, 10.0),), 2),
        (Pace(processes=40), (Rate(3, 10.0),), 1),
        (Pace((Rate(5, 10.0),)), (Rate(5, 10.0),), 10),
        (Pace((Rate(500, 10.0),)), (Rate(150, 10.0),), 10),
        (Pace((Rate(5, 1.0),), processes=5), (Rate(30, 10.0), Rate(1, 1.0)), 2),
    ],
)
def test_configured_limits_join_the_published_ones(pace, rates, concurrency):
    limits = pace.over(LIMITS, PUBLISHED)

    assert (limits.rates, limits.concurrency) == (rates, concurrency)


def test_another_host_has_no_limits_but_configured_ones():
    assert Pace().over(LIMITS) == LIMITS
    assert Pace(concurrency=9, processes=2).over(LIMITS).concurrency == 4


def limits_of(split, **environ):
    environ = {**KEYS, "MAILTRAP_API_TOKEN": "t", **environ}
    return [entry.backend.limits for entry in make_entries(split, environ)]


def test_mailtraps_own_hosts_have_its_published_limits():
    api, smtp = limits_of("mailtrap=1,mailtrap-smtp=1")

    assert (api.rates, api.concurrency) == (API.rates, None)
    assert [(rate.count, rate.period) for rate in api.rates] == [(150, 10.0)]
    assert (smtp.rates, smtp.concurrency) == ((), 10)


def test_a_host_in_a_dsn_has_no_published_limits():
    api, smtp = limits_of(
        "mailtrap=1,mailtrap-smtp=1",
        MAILBALANCE_MAILTRAP_URL="mailtrap+api://t@gate.example.com?rate=5/s",
        MAILBALANCE_MAILTRAP_SMTP_URL="mailtrap+smtp://t@gate.example.com",
    )

    assert (api.rates, api.concurrency) == ((Rate(5, 1.0),), None)
    assert (smtp.rates, smtp.concurrency) == ((), None)


def test_a_variable_divides_the_limits_of_every_backend():
    found = limits_of(
        f"{ALL},memory=1",
        MAILBALANCE_PROCESSES="5",
        MAILBALANCE_SES_URL="ses+api://default?rate=50/hour&concurrency=20",
        MAILBALANCE_MEMORY_URL="memory://?rate=4/s&processes=2",
    )

    assert [limits.rates for limits in found] == [
        (Rate(10, 3600.0),),
        (),
        tuple(divided(rate, 5) for rate in API.rates),
        (),
        (Rate(2, 1.0),),
    ]
    assert [limits.concurrency for limits in found] == [4, None, None, 2, None]


def test_a_wrong_number_of_processes_is_told_once():
    with pytest.raises(ConfigError) as caught:
        limits_of(ALL, MAILBALANCE_PROCESSES="many")

    assert caught.value.problems == (
        "MAILBALANCE_PROCESSES must be a whole number above 0",
    )


def test_every_mistake_in_a_dsn_is_told():
    with pytest.raises(ConfigError) as caught:
        limits_of(
            "mailtrap=1",
            MAILBALANCE_MAILTRAP_URL=(
                "mailtrap+api://t@default?rate=quick&concurrency=0&processes=x&stream=y"
            ),
        )

    assert [each.partition("= ")[0] for each in caught.value.problems] == [
        "mailtrap: stream is transactional or bulk",
        "mailtrap: rate",
        "mailtrap: concurrency",
        "mailtrap: processes",
    ]
    assert "quick" not in str(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda **given: MailtrapBackend(token="t", **given),
        lambda **given: MailtrapSmtpBackend(token="t", **given),
        lambda **given: SesSmtpBackend(username="u", password="p", **given),
        MemoryBackend,
    ],
)
def test_only_ses_by_api_can_be_asked_for_its_rate(make):
    with pytest.raises(ConfigError, match="only SES tells its rate, by API only"):
        make(rate="auto")


def test_ses_by_api_learns_its_rate_when_told_to():
    assert SesBackend(rate="auto").learns
    assert SesBackend(rate="AUTO, 50/hour").limits.rates == (Rate(50, 3600.0),)
    assert not SesBackend(rate="50/hour").learns


@pytest.mark.parametrize(
    ("options", "own", "other"),
    [
        ({}, 8, 2),
        ({"concurrency": 4}, 2, 2),
        ({"concurrency": 3}, 2, 1),
        ({"concurrency": 100}, 8, 2),
        ({"processes": 2}, 3, 2),
        ({"processes": 5}, 1, 1),
        ({"processes": 50}, 1, 1),
    ],
)
def test_connections_to_mailtrap_are_shared_between_its_streams(options, own, other):
    wires = MailtrapSmtpBackend(token="t", **options)._wires

    assert wires["transactional"]._reuse.connections == own
    assert wires["bulk"]._reuse.connections == other


@pytest.mark.parametrize(
    ("options", "connections"),
    [({}, 8), ({"concurrency": 30}, 30), ({"concurrency": 30, "processes": 4}, 7)],
)
def test_an_smtp_pool_has_as_many_connections_as_messages_at_once(options, connections):
    ses = SesSmtpBackend(username="u", password="p", region="r", **options)
    mailtrap = MailtrapSmtpBackend(token="t", host="gate.example.com", **options)

    assert ses._reuse.connections == connections
    assert mailtrap._wires["transactional"]._reuse.connections == connections


def test_an_http_pool_has_as_many_connections_as_messages_at_once():
    backend = MailtrapBackend(token="t", concurrency="12", processes="3")

    assert backend._wire._pools.limit == 4
