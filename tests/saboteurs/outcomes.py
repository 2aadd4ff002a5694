"""Saboteurs of outcomes: what is told of a message, and whether it goes out again."""

from tests.saboteurs.saboteur import Change, Saboteur

PLAN = "tests/unit/test_plan.py"
MAILER = "tests/unit/test_mailer.py"
ONCE = "tests/unit/test_sending_once.py"

SABOTEURS = (
    Saboteur(
        "unknown-is-not-accepted",
        "A message that may have been accepted is not sent again unasked.",
        (
            Change(
                "errors.py",
                "    retry_here = False\n    try_next = False\n"
                '    health = "counts"\n    outcome = "unknown"',
                "    retry_here = True\n    try_next = True\n"
                '    health = "counts"\n    outcome = "not_accepted"',
            ),
        ),
        (PLAN, "tests/properties/test_plan.py", f"{MAILER}::test_an_unknown_outcome"
         "_is_never_sent_a_second_time"),
    ),
    Saboteur(
        "accepted-are-sent-to-again",
        "Who has the message already is in no later attempt.",
        (
            Change(
                "delivery/plan.py",
                "self.waiting = tuple(a for a in self.waiting if a in later)",
                "self.waiting = self.waiting if later else ()",
            ),
        ),
        (PLAN, "tests/properties/test_plan.py"),
    ),
    Saboteur(
        "refused-recipient-goes-elsewhere",
        "A recipient refused for good is not tried at another provider.",
        (
            Change(
                "errors.py",
                '    retry_here = False\n    try_next = False\n    health = "never"',
                '    retry_here = False\n    try_next = True\n    health = "never"',
            ),
        ),
        (PLAN, f"{MAILER}::test_a_refused_recipient_is_not_tried_elsewhere"),
    ),
    Saboteur(
        "duplicate-is-hidden",
        "A receipt says when a second copy may exist.",
        (
            Change(
                "delivery/plan.py",
                "possible_duplicate=self.unknown is not None",
                "possible_duplicate=False",
            ),
        ),
        (PLAN, "tests/properties/test_plan.py"),
    ),
    Saboteur(
        "retry-after-is-ignored",
        "A provider that asks to wait is left alone for as long.",
        (
            Change(
                "delivery/retry.py",
                "return chosen if asked is None else "
                "max(chosen, min(asked, RETRY_AFTER_CAP))",
                "return chosen",
            ),
            Change(
                "routing/rate_limits.py",
                "now + min(asked, LONGEST_ASKED)",
                "now + min(asked, limit)",
            ),
        ),
        (PLAN, "tests/unit/test_limits.py", "tests/unit/test_traffic.py::test_a_"
         "provider_that_asks_to_slow_down_is_left_alone_for_as_long"),
    ),
    Saboteur(
        "no-reserve-before-a-try",
        "No try begins when a lost reply is likelier than a clear one.",
        (
            Change(
                "delivery/retry.py", "return min(10.0, self.timeout / 3)", "return 0.0"
            ),
        ),
        (PLAN,),
    ),
    Saboteur(
        "cancelled-attempt-is-not-told",
        "An attempt that outlives its caller is told to the observers.",
        (
            Change(
                "delivery/adopt.py",
                "                delivery().leave(answer)\n            elif",
                "                pass\n            elif",
            ),
        ),
        (f"{MAILER}::test_a_send_cancelled_after_the_commit_point_is_finished_and_told",
         f"{MAILER}::test_a_send_that_ends_while_it_is_cancelled_is_told"),
    ),
    Saboteur(
        "closing-does-not-wait",
        "Closing lets the messages end that are under way.",
        (
            Change(
                "delivery/in_flight.py",
                "while self._others() and time",
                "while False and time",
            ),
        ),
        (f"{MAILER}::test_closing_waits_for_the_sends_of_other_threads",),
    ),
    Saboteur(
        "closing-forgets-who-has-gone",
        "Closing in an event loop waits for the attempts whose callers have gone.",
        (
            Change(
                "delivery/in_flight.py",
                "        if any(permit.loop is loop for permit in self.permits()):\n"
                "            return True\n        return any(\n",
                "        return any(permit.loop is loop and not permit.adopted\n"
                "                   for permit in self.permits())\n        any(\n",
            ),
        ),
        (f"{MAILER}::test_closing_waits_for_an_attempt_whose_caller_has_gone",),
    ),
    Saboteur(
        "batch-without-a-caller-is-not-told",
        "What came of a batch is told when nobody waits for it any more.",
        (
            Change(
                "delivery/many_async.py",
                "                call.add_done_callback("
                "partial(self._report, batch, permit))\n",
                "",
            ),
        ),
        ("tests/unit/test_many_in_trouble.py::test_a_batch_in_the_air_when_its_loop"
         "_ends_is_told_message_by_message",),
    ),
    Saboteur(
        "log-of-a-mail-about-the-log",
        "A handler that mails what is logged gets no records of its own mail.",
        (Change("events.py", " or _handled.get():", ":"),),
        ("tests/unit/test_mailing_handler.py",),
    ),
    Saboteur(
        "key-is-ignored",
        "Two sends with one key give one message.",
        (Change("mailer.py", "if taken.key is not None:", "if taken.key == '':", 2),),
        (f"{ONCE}::test_a_second_send_gives_the_first_receipt_and_sends_nothing",
         f"{ONCE}::test_both_doors_share_the_keys"),
    ),
    Saboteur(
        "key-is-not-released",
        "What was not accepted may be sent again with its key.",
        (
            Change(
                "delivery/idempotency.py",
                "yield from self._record(lambda hands: "
                "hands.release(self._key, self._token))",
                "yield from ()",
            ),
        ),
        (f"{ONCE}::test_what_was_not_accepted_may_be_sent_again",
         f"{ONCE}::test_other_content_may_follow_what_was_not_accepted"),
    ),
    Saboteur(
        "fingerprint-ignores-content",
        "Other content under one key is an error.",
        (
            Change(
                "delivery/fingerprint.py",
                "_digest([content.encode(), named])",
                "_digest([b'', named])",
            ),
        ),
        (f"{ONCE}::test_other_content_under_one_key_is_refused_before_anything_happens",
         f"{ONCE}::test_attachments_of_one_length_are_told_apart"),
    ),
    Saboteur(
        "unknown-frees-its-key",
        "A key whose message may have been accepted sends nothing more.",
        (
            Change(
                "delivery/idempotency.py",
                "            if isinstance(told, UnknownOutcomeError):\n"
                "                return told",
                "            if isinstance(told, UnknownOutcomeError):\n"
                "                return None",
            ),
        ),
        (f"{ONCE}::test_an_unknown_outcome_is_told_again_and_nothing_is_sent",),
    ),
    Saboteur(
        "many-drops-a-result",
        "Each of many messages has its result, the wrong ones too.",
        (
            Change(
                "delivery/many.py",
                "                progress(done)\n            yield result\n",
                "                progress(done)\n"
                "            if result.message is not None:\n"
                "                yield result\n",
            ),
        ),
        ("tests/unit/test_many.py::test_a_message_that_is_wrong_does_not_stop_the_others",
         "tests/unit/test_many.py::test_there_is_one_result_for_each_message_in_their"
         "_order"),
    ),
    Saboteur(
        "batch-judged-by-its-top",
        "Each message of a batch is judged by its own item.",
        (
            Change(
                "backends/_mailtrap_batch.py",
                'said = item.get("success") if isinstance(item, dict) else None',
                "said = True",
            ),
        ),
        ("tests/unit/test_mailtrap_batch.py",),
    ),
    Saboteur(
        "success-without-an-id",
        "HTTP 200 without a MessageId is no receipt.",
        (
            Change(
                "backends/_ses_reply.py",
                "if response.status != 200 or not isinstance(provider_id, str) "
                "or not provider_id:",
                "if response.status != 200:",
            ),
        ),
        ("tests/unit/test_ses_replies.py",),
    ),
    Saboteur(
        "any-200-of-mailtrap",
        "HTTP 200 of Mailtrap without success is no receipt.",
        (
            Change(
                "backends/_mailtrap_reply.py",
                "if response.status != 200 or not _says(reply, success=True):",
                "if response.status != 200:",
            ),
        ),
        ("tests/unit/test_mailtrap.py",),
    ),
)  # fmt: skip
