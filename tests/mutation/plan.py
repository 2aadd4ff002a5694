"""Which modules are held to this, and the fast tests that are to notice.

What must not live here: how a mutant is made or judged.
"""

#: Each module with its tests; the goal is that nine of ten mutants are noticed.
_TABLES = "tests/unit/test_verdict_tables.py"
_PLAN = ("tests/unit/test_plan.py", "tests/properties/test_plan.py")
_TRAFFIC = "tests/unit/test_traffic.py"
_STRAIGHT = "tests/properties/test_straight.py"

PLAN: dict[str, tuple[str, ...]] = {
    "mailbalance.wire.smtp.verdict": (_TABLES, "tests/wire/test_smtp_transaction.py"),
    "mailbalance.backends._ses_errors": (_TABLES, "tests/unit/test_ses_replies.py"),
    "mailbalance.backends._mailtrap_errors": (_TABLES,),
    "mailbalance.backends._ses_smtp_replies": (_TABLES,),
    "mailbalance.backends._mailtrap_smtp_replies": (_TABLES,),
    "mailbalance.backends._http": (_TABLES, "tests/unit/test_http_replies.py"),
    "mailbalance.backends._answers": (
        "tests/unit/test_http_replies.py",
        "tests/unit/test_ses_replies.py",
    ),
    "mailbalance.backends._ses_reply": ("tests/unit/test_ses_replies.py",),
    "mailbalance.backends._mailtrap_reply": (
        "tests/unit/test_mailtrap_replies.py",
        "tests/unit/test_mailtrap.py",
        "tests/unit/test_mailtrap_batch.py",
    ),
    "mailbalance.delivery.plan": _PLAN,
    "mailbalance.delivery.retry": ("tests/unit/test_retry.py", *_PLAN),
    "mailbalance.routing.split": (
        "tests/unit/test_router.py",
        "tests/properties/test_split.py",
    ),
    "mailbalance.routing.dispatcher": (
        "tests/unit/test_router.py",
        "tests/unit/test_passes.py",
        _STRAIGHT,
        _TRAFFIC,
    ),
    "mailbalance.routing.eligibility": ("tests/unit/test_router.py",),
    "mailbalance.routing.admission": (
        "tests/unit/test_gate.py",
        "tests/unit/test_choice.py",
        "tests/unit/test_passes.py",
        _TRAFFIC,
    ),
    "mailbalance.routing.circuit_breaker": ("tests/unit/test_health.py", _TRAFFIC),
    "mailbalance.routing.rate_limits": (
        "tests/unit/test_limits.py",
        "tests/unit/test_gate.py",
        _TRAFFIC,
    ),
}
