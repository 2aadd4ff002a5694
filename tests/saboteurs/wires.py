"""Saboteurs of the wires: where a message is handed over, and to whom."""

from tests.saboteurs.saboteur import Change, Saboteur

TRANSACTION = "tests/wire/test_smtp_transaction.py"
POOL = "tests/wire/test_smtp_pool.py"
DIALOGUE = "tests/wire/test_direct_dialogue.py"
SECURITY = "tests/wire/test_smtp_security.py"

SABOTEURS = (
    Saboteur(
        "commit-after-the-dot",
        "A message whose final dot was handed over is unknown until the reply.",
        (
            Change(
                "wire/smtp/transaction.py",
                "        self.committed = True\n        yield Commit(DOT",
                "        yield Commit(DOT",
            ),
        ),
        (TRANSACTION,),
    ),
    Saboteur(
        "http-request-is-never-committed",
        "A request whose last block was handed over is unknown until the reply.",
        (
            Change(
                "wire/http/exchange.py",
                '        self.phase = "request"\n        self.committed = True\n',
                '        self.phase = "request"\n',
            ),
        ),
        (DIALOGUE, "tests/wire/test_http_outcomes.py"),
    ),
    Saboteur(
        "reused-after-a-time-out",
        "A connection on which a reply is still due is never used again.",
        (
            Change(
                "wire/smtp/transaction.py",
                "            self._sound = False\n            self.stale = broken",
                '            self._late = broken.kind == "timeout"\n'
                "            self.stale = broken",
            ),
            Change(
                "wire/smtp/transaction.py",
                "return self._ended and self._sound and not self._awaited",
                'return getattr(self, "_late", False) or (\n'
                "            self._ended and self._sound and not self._awaited)",
            ),
        ),
        (f"{POOL}::test_after_an_anomaly_the_connection_is_never_used_again",
         "tests/wire/test_smtp_cuts.py"),
    ),
    Saboteur(
        "reused-with-replies-due",
        "A connection is never used again while replies to commands sent ahead are due.",
        (
            Change(
                "wire/smtp/transaction.py",
                "return self._ended and self._sound and not self._awaited",
                "return self._ended and self._sound",
            ),
        ),
        (f"{POOL}::test_a_connection_on_which_replies_are_still_due_is_never_used_again",
         f"{TRANSACTION}::test_a_connection_with_replies_on_their_way_is_not_kept"),
    ),
    Saboteur(
        "looped-connection-outlives-closing",
        "In an event loop a connection in use when everything is closed is not kept.",
        (
            Change(
                "wire/smtp/looped_pool.py",
                "if closings != self._closings:",
                "if False:",
            ),
        ),
        (f"{POOL}::test_a_connection_in_use_is_closed_when_its_message_ends_after_a"
         "_close",),
    ),
    Saboteur(
        "connection-outlives-closing",
        "A thread's connection in use when everything is closed is not kept.",
        (
            Change(
                "wire/smtp/blocking_pool.py", "if not self.closed:", "if True:"
            ),
        ),
        (f"{POOL}::test_a_connection_in_use_is_closed_when_its_message_ends_after_a"
         "_close",),
    ),
    Saboteur(
        "interrupted-thread-stays-in-the-queue",
        "Who is interrupted while it waits for a connection takes none from the others.",
        (
            Change(
                "wire/slots.py",
                "            if not self._withdraw(turn):\n"
                "                self.release()\n            raise",
                "            raise",
            ),
        ),
        ("tests/wire/test_slots.py", f"{POOL}::test_a_thread_interrupted_in_a_crowd"
         "_leaves_the_queue"),
    ),
    Saboteur(
        "interrupted-thread-keeps-its-turn",
        "A turn that comes with an interrupt is passed on.",
        (
            Change(
                "wire/slots.py",
                "            if not self._withdraw(turn):\n"
                "                self.release()\n            raise",
                "            self._withdraw(turn)\n            raise",
            ),
        ),
        ("tests/wire/test_slots.py",),
    ),
    Saboteur(
        "late-socket-leaks",
        "Of addresses raced for, only the winner's connection stays open.",
        (
            Change("wire/net/connect.py", "task.result().close()", "task.result()"),
        ),
        ("tests/wire/test_reach.py::test_who_connects_in_the_same_moment_as_the_winner"
         "_is_closed_too",),
    ),
    Saboteur(
        "losing-socket-leaks",
        "Who lost the race of addresses is closed when a thread has its winner.",
        (
            Change(
                "wire/net/connect.py",
                "        for sock in self.running.values():\n            sock.close()",
                "        pass",
            ),
        ),
        ("tests/wire/test_reach.py::test_the_losers_of_a_race_are_closed_too",),
    ),
    Saboteur(
        "http-kept-after-a-break",
        "An HTTP connection is kept only after one clean reply.",
        (
            Change(
                "wire/http/exchange.py",
                "exchange.keep = not early and self._reader.clean",
                "exchange.keep = True",
            ),
        ),
        (DIALOGUE,),
    ),
    Saboteur(
        "no-reserve-before-the-dot",
        "Without time for a reply the final dot is not written.",
        (
            Change(
                "wire/smtp/transaction.py",
                "if self._deadline.before_commit() <= 0:",
                "if self._deadline.left() <= 0:",
            ),
        ),
        (TRANSACTION,),
    ),
    Saboteur(
        "250-where-354-was-due",
        "A success out of step is never taken for an answer to the message.",
        (
            Change(
                "wire/smtp/transaction.py",
                "if reply.code != 354:",
                "if reply.code >= 400:",
            ),
        ),
        (TRANSACTION, "tests/wire/test_smtp_reply_rules.py"),
    ),
    Saboteur(
        "chain-mixes-replies",
        "Of several messages on one connection each has the reply to its own dot.",
        (
            Change(
                "wire/smtp/chain.py",
                "self.ends.append(here.end)",
                "self.ends.insert(0, here.end)",
            ),
        ),
        ("tests/wire/test_smtp_chain_cuts.py",),
    ),
    Saboteur(
        "smtp-pool-is-shared-with-a-fork",
        "A forked process uses no connection of its parent.",
        (
            Change(
                "wire/smtp/blocking_pool.py",
                "if self._state.process != os.getpid():",
                "if False:",
                2,
            ),
        ),
        (f"{POOL}::test_a_forked_child_begins_with_connections_of_its_own",),
    ),
    Saboteur(
        "http-pool-is-shared-with-a-fork",
        "A forked process uses no HTTP connection of its parent.",
        (
            Change(
                "wire/net/pool.py",
                "        if self.process == os.getpid():\n            return\n",
                "        return\n",
            ),
            Change("wire/net/pool.py", "self._process != os.getpid()", "False"),
        ),
        ("tests/wire/test_http_commit.py::test_after_a_fork_parent_and_child_use"
         "_different_connections", "tests/wire/test_http_pool.py::test_a_forked_child"
         "_counts_its_own_connections"),
    ),
    Saboteur(
        "starttls-is-optional",
        "A server that hides STARTTLS gets nothing in the clear.",
        (
            Change(
                "wire/smtp/blocking_dial.py",
                'if self._server.security == "starttls":',
                'if "starttls" in smtp.esmtp_features:',
            ),
            Change(
                "wire/smtp/looped_dial.py",
                'if self._server.security == "starttls":',
                'if "starttls" in client.esmtp_extensions:',
            ),
        ),
        (f"{SECURITY}::test_a_hidden_starttls_is_no_reason_to_go_on_in_the_clear",
         "tests/security/test_tls.py::test_without_starttls_nothing_is_sent"),
    ),
    Saboteur(
        "data-before-tls-is-dropped",
        "Data put in before TLS begins ends the session.",
        (
            Change(
                "wire/smtp/blocking_dial.py", "if not line.empty:", "if False:"
            ),
            Change(
                "wire/smtp/looped_dial.py", "if watch.more_than_one_reply:", "if False:"
            ),
        ),
        (f"{SECURITY}::test_data_put_in_before_tls_begins_ends_the_session",
         "tests/security/test_tls.py::test_one_byte_more_than_the_reply_to_starttls"
         "_ends_it"),
    ),
    Saboteur(
        "certificate-is-not-checked",
        "A server without a valid certificate gets nothing.",
        (
            Change(
                "wire/net/tls.py",
                "    return context\n",
                "    context.check_hostname = False\n"
                "    context.verify_mode = ssl.CERT_NONE\n    return context\n",
            ),
        ),
        (f"{SECURITY}::test_a_bad_certificate_makes_the_backend_unavailable",
         "tests/security/test_tls.py::test_the_context_is_the_strict_one"),
    ),
    Saboteur(
        "dots-are-not-stuffed",
        "No line of a message ends it early.",
        (
            Change(
                "wire/smtp/body.py",
                'content = content.replace(b"\\r\\n.", b"\\r\\n..")',
                "return content",
            ),
        ),
        ("tests/wire/test_smtp_body.py",),
    ),
    Saboteur(
        "line-ends-stay-as-they-are",
        "No bare line end smuggles a second message.",
        (
            Change(
                "wire/smtp/body.py",
                'content = _LINE_END.sub(b"\\r\\n", content)',
                "pass",
            ),
        ),
        ("tests/wire/test_smtp_body.py",),
    ),
    Saboteur(
        "address-breaks-out",
        "No address ends its command or begins another.",
        (
            Change(
                "wire/smtp/commands.py", "if not _PATH.fullmatch(address):", "if False:"
            ),
        ),
        (f"{TRANSACTION}::test_no_address_breaks_out_of_its_command",),
    ),
    Saboteur(
        "line-breaks-in-headers",
        "No text of a field begins another header.",
        (
            Change(
                "rules/characters.py",
                "return None if found is None else _name(found[0], found.start())",
                "return None",
            ),
        ),
        ("tests/properties/test_injection.py::test_every_control_character_is_refused"
         "_and_not_repeated", "tests/security/test_header_injection.py::test_no_line"
         "_break_gets_into_a_field"),
    ),
    Saboteur(
        "password-in-an-error",
        "No error quotes a secret that a server echoes.",
        (
            Change(
                "wire/smtp/faults.py",
                "told = server.credentials.scrub(error.detail)",
                "told = error.detail",
            ),
        ),
        ("tests/wire/test_smtp_faults.py::test_a_server_that_echoes_the_password_is"
         "_not_quoted",),
    ),
    Saboteur(
        "token-in-an-error",
        "No error quotes a token that a provider echoes.",
        (
            Change(
                "backends/_answers.py", "clean = scrub(text, secrets)", "clean = text"
            ),
        ),
        ("tests/unit/test_ses_replies.py", "tests/unit/test_mailtrap_batch.py::test"
         "_the_token_is_not_in_any_error"),
    ),
)  # fmt: skip
