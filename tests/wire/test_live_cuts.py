"""Cuts at sampled bytes of real connections in TLS."""

from __future__ import annotations

import pytest

from tests.wire.live_cuts import figures


@pytest.mark.proof
@pytest.mark.timeout(180)
def test_a_few_cuts_on_real_sockets_make_no_verdict_the_server_would_deny(
    ca: str,
) -> None:
    figures(120, ca).must_be_clean(100)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_no_sampled_cut_on_real_sockets_makes_a_verdict_the_server_would_deny(
    ca: str,
) -> None:
    figures(2_000, ca).must_be_clean(1_900)


@pytest.mark.proof
def test_the_harness_sees_lost_replies_counted_as_refusals(
    ca: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.wire import test_http_cuts, test_smtp_cuts

    test_smtp_cuts.lost_replies_count_as_refusals(monkeypatch)
    test_http_cuts.lost_replies_count_as_refusals(monkeypatch)

    found = figures(160, ca)

    assert any("said not accepted" in each for each in found.violations)
