"""All proofs, in the order of the page."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from tests.proofs import processes, routing
from tests.proofs.proof import Proof
from tests.properties import key_histories
from tests.saboteurs.figures import Range
from tests.saboteurs.figures import figures as saboteur_figures
from tests.saboteurs.roster import SABOTEURS
from tests.simulation.scenario import play
from tests.wire import (
    cancelling,
    http_cuts,
    http_replies,
    interrupting,
    smtp_chain_cuts,
    smtp_cuts,
    smtp_replies,
)
from tests.wire.certainty import Figures

_LIVE = "python -m tests.wire.figures --slow"


def _of_the_wire(count: Callable[[], Figures]) -> Callable[[], dict[str, Any]]:
    return lambda: count().as_dict()


def _simulated() -> dict[str, Any]:
    found = play(100_000, each=2000)
    return {
        **{name: kept for name, kept in vars(found).items() if name != "trace"},
        "broken": len(found.wrong),
        "unpredicted": found.doubled - found.predicted,
        "hours": round(found.virtual_seconds / 3600),
    }


def _saboteurs() -> dict[str, Any]:
    with Range(1) as copies:
        control = copies.control(SABOTEURS.values())
        rows = [copies.measured(each) for each in SABOTEURS.values()]
    return saboteur_figures(rows, control)


def _wire(
    name: str, title: str, count: Callable[[], Figures], what: str, full: str = ""
) -> Proof:
    says = f"{{cases:,}} {what}, {{violations}} wrong"
    return Proof(name, title, _of_the_wire(count), says, ("violations",), full)


_ALL = (
    _wire(
        "smtp-cuts",
        "SMTP, cut at every byte",
        smtp_cuts.figures,
        "cases",
        _LIVE,
    ),
    _wire(
        "smtp-chain-cuts",
        "several messages on one SMTP connection, cut at every byte",
        smtp_chain_cuts.figures,
        "cases",
    ),
    *(
        _wire(
            f"http-cuts-{way}",
            f"HTTP, cut at every byte ({way})",
            partial(http_cuts.figures, None, ways=(way,)),
            "cases",
            _LIVE,
        )
        for way in http_cuts.WAYS
    ),
    _wire("smtp-replies", "SMTP replies", smtp_replies.figures, "replies"),
    _wire("http-replies", "HTTP replies, judged", http_replies.judged, "replies"),
    _wire(
        "http-carried",
        "HTTP replies, carried",
        partial(http_replies.carried, 6_000),
        "replies",
    ),
    _wire(
        "cancelled-backend",
        "a backend's send, cancelled at every wait",
        partial(cancelling.figures, whole=False),
        "cancellations",
        _LIVE,
    ),
    _wire(
        "cancelled-mailer",
        "a mailer's send, cancelled at every wait",
        partial(cancelling.figures, whole=True),
        "cancellations",
        _LIVE,
    ),
    _wire(
        "interrupted",
        "interrupted at every system call",
        interrupting.figures,
        "interruptions",
    ),
    Proof(
        "simulation",
        "the whole library, simulated",
        _simulated,
        "{messages:,} messages in {hours:,} hours of virtual time, {attempts:,} "
        "attempts, {unknown_attempts:,} of them unknown: {broken} promises broken; "
        "{doubled:,} doubled where that was allowed, {unpredicted} of them unpredicted",
        ("broken", "unpredicted"),
        "python -m tests.simulation --messages 10000000 --each 10000",
    ),
    Proof(
        "outage",
        "the split through an outage",
        routing.split,
        "60/40 carries {before} of 1,000 before, {in the outage} of 100 in the outage "
        "after {tries of a dead host} tries, {after} of the 1,000 after it; assigned "
        "all along: {assigned:,} of {messages:,}",
        ("off",),
    ),
    Proof(
        "retries",
        "retries when everything fails",
        routing.retries,
        "{messages:,} messages cost {load} times the tries they would have cost "
        "without a retry",
        ("over",),
    ),
    Proof(
        "scattered",
        "scattered failures",
        routing.scattered,
        "{calls:,} calls of which one in five fails open the breaker {opened} times",
        ("opened",),
    ),
    Proof(
        "postfix",
        "a real Postfix behind a proxy that cuts connections",
        processes.postfix,
        "{messages:,} messages, {missing} missing, {duplicates unasked} doubled "
        "unasked; with `retry` {duplicates} doubled, {duplicates not announced} of "
        "them not announced",
        ("broken", "missing", "duplicates unasked", "duplicates not announced"),
        "python -m tests.peers.cutting 100000",
    ),
    Proof(
        "forks",
        "processes that fork",
        processes.forks,
        "{messages:,} messages in {ways} ways of forking: {wrong ids} wrong ids, "
        "{lost} lost, {doubled} doubled",
        ("broken",),
        "python -m pytest -m slow tests/peers/test_forks.py",
    ),
    Proof(
        "stopped",
        "processes that are stopped",
        processes.stopped,
        "{runs} processes, {messages:,} messages: {broken} that were accepted and not "
        "written down, or unknown",
        ("broken",),
        "python -m tests.peers.stopping_runs 500",
    ),
    Proof(
        "keys",
        "crowds with one key",
        partial(key_histories.figures, 200, 1),
        "{histories} histories, {operations:,} operations: {not_linearizable} that no "
        "order explains, {doubled} messages doubled",
        ("not_linearizable", "doubled", "receipts_apart"),
        "python -m tests.properties.key_histories 5000",
    ),
    Proof(
        "clients",
        "clients compared",
        processes.clients,
        "{faults} faults, {messages} messages each: {unseen} of mailbalance's lost, "
        "doubled or told wrong unseen",
        ("unseen",),
    ),
    Proof(
        "saboteurs",
        "saboteurs",
        _saboteurs,
        "{caught} of {saboteurs} caught",
        ("missed", "failed without a saboteur"),
    ),
)


PROOFS: dict[str, Proof] = {each.name: each for each in _ALL}


def timed(proof: Proof) -> dict[str, Any]:
    """Run one, and add the seconds it took."""
    began = time.perf_counter()
    figures = proof.count()
    return {**figures, "took": round(time.perf_counter() - began, 1)}
