"""``mailbalance route``: where a message would go now, and why.

What lives here: the command and the words for a route. What must not: a choice; the
router makes them all.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import typer

from mailbalance.cli import compose as c
from mailbalance.cli.output import Code, Json, Output
from mailbalance.mailer import Mailer

if TYPE_CHECKING:
    from mailbalance.routing import Route


def route(
    *,
    to: c.To = None,
    cc: c.Cc = None,
    bcc: c.Bcc = None,
    from_: c.From = None,
    reply_to: c.ReplyTo = None,
    attach: c.Attach = None,
    eml: c.Eml = None,
    via: c.Via = None,
    json: Json = False,
) -> None:
    """Show where a message would go, and why.

    Nothing is sent.

    \b
    Examples:
      mailbalance route --to ana@example.com --from shop@example.com
      mailbalance route --eml newsletter.eml --json
    """  # noqa: D301 - a real backspace tells click not to wrap the lines after it
    out = Output(json=json)
    with out.reporting(), Mailer.from_env() as mailer:
        check_via(mailer, via)
        unsaid = None if eml else "(any)"
        message = c.compose(
            eml, to=to, cc=cc, bcc=bcc, from_=from_, reply_to=reply_to,
            attachments=attach, subject=unsaid, text=unsaid,
        )  # fmt: skip
        found = mailer.route(message, via=via)
        facts = facts_of_route(mailer, found)
        out.give({"ok": True, "exit_code": Code.OK, **facts})
        if not json:
            say_route(out, mailer, found)


def check_via(mailer: Mailer, via: str | None) -> None:
    """Refuse a ``--via`` that names no backend, with the nearest that there is."""
    if via is None or via in mailer.backends:
        return
    near = difflib.get_close_matches(via, mailer.backends, n=1)
    meant = f"; did you mean {near[0]}?" if near else ""
    raise typer.BadParameter(
        f"{via!r} is not in the split, which has {', '.join(mailer.backends)}{meant}",
        param_hint="--via",
    )


def facts_of_route(mailer: Mailer, route: Route) -> dict[str, Any]:
    """Give a route as JSON: order, reasons, shares, and who is left out."""
    return {
        "assigned": route.assigned,
        "forced": route.forced,
        "order": [
            {"backend": backend.name, "account": backend.account, "reason": reason}
            for backend, reason in zip(
                route.order, _reasons(mailer, route), strict=True
            )
        ],
        "left_out": [
            {"backend": name, "reason": reason} for name, reason in route.left_out
        ],
        "shares": {
            share.backend: "backup" if share.backup else share.share
            for share in mailer.split()
        },
    }


def say_route(out: Output, mailer: Mailer, route: Route) -> None:
    """Say a route in words."""
    reasons = _reasons(mailer, route)
    for number, (backend, reason) in enumerate(
        zip(route.order, reasons, strict=True), 1
    ):
        out.say(f"{number}. {backend.name}: {reason}", "bold" if number == 1 else "")
    for name, reason in route.left_out:
        out.say(f"-  {name}: left out, cannot carry this message: {reason}", "yellow")
    shares = (
        f"{s.backend} {'backup' if s.backup else f'{s.share:.4g}'}"
        for s in mailer.split()
    )
    out.say(
        f"Shares: {', '.join(shares)}. Each process starts its split at a random point, so "
        "the next run may choose another backend; over many messages the shares are exact."
    )


def _reasons(mailer: Mailer, route: Route) -> list[str]:
    """Say for each backend in the order why it stands there."""
    first, *others = route.order
    backups = {share.backend for share in mailer.split() if share.backup}
    reasons = [_first_reason(route, first.name in backups)]
    for other in others:
        if other.name in backups:
            why = "a backup"
        elif other.account == first.account:
            why = f"the same account ({other.account})"
        else:
            why = f"another account ({other.account})"
        reasons.append(f"takes over if those before it do not accept; {why}")
    return reasons


def _first_reason(route: Route, is_backup: bool) -> str:
    if is_backup and not route.forced:
        return "the only one that can carry it, a backup"
    if not route.forced:
        return "chosen by the split"
    if route.left_out:
        return "chosen among those that can carry it"
    return "pinned by --via"
