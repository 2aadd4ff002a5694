"""What the two SMTP servers say.

What lives here: reply texts as data, with their sources. What must not: when to say them.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The replies of one provider's SMTP server."""

    host: str
    banner: str
    ok: str
    bye: str
    start_tls: str
    go_ahead: str
    logged_in: str
    sender_ok: str
    recipient_ok: str
    tls_first: str
    login_first: str
    bad_login: str
    bad_sender: str
    bad_recipient: str
    bad_parameter: str
    sequence: str
    syntax: str
    unknown_command: str
    unknown_mechanism: str
    not_ascii: str
    vrfy: str
    line_too_long: str
    bare_line_end: str
    too_big: str
    too_many_at_once: str
    too_many_connections: str
    timeout: str
    throttled: str
    unavailable: str
    failed: str
    rejected: str


#: Source: SES developer guide, "Amazon SES SMTP response codes", and transcripts in
#: public issues (2026-11). No SIZE, no enhanced codes in most replies.
SES = Words(
    host="email-smtp.amazonaws.com",
    banner="220 email-smtp.amazonaws.com ESMTP SimpleEmailService-local",
    ok="250 Ok",
    bye="221 Bye",
    start_tls="220 Ready to start TLS",
    go_ahead="354 End data with <CR><LF>.<CR><LF>",
    logged_in="235 Authentication successful.",
    sender_ok="250 Ok",
    recipient_ok="250 Ok",
    tls_first="530 Must issue a STARTTLS command first",
    login_first="530 Authentication required",
    bad_login="535 Authentication Credentials Invalid",
    bad_sender="501 Invalid MAIL FROM address provided",
    bad_recipient="501 Invalid RCPT TO address provided",
    bad_parameter="555 Unsupported parameter",
    sequence="503 Bad sequence of commands",
    syntax="501 Syntax error in parameters",
    unknown_command="500 Command not recognized",
    unknown_mechanism="504 Unrecognized authentication type",
    not_ascii="500 Command contains a character that is not ASCII",
    vrfy="252 Cannot VRFY user",
    line_too_long="554 Transaction failed: line longer than 1000 octets",
    bare_line_end="554 Transaction failed: bare CR or LF in the message",
    too_big="552 Message is too long.",
    too_many_at_once="452 Too many recipients",
    too_many_connections="421 Too many concurrent SMTP connections",
    timeout="451 4.4.2 Timeout waiting for data from client.",
    throttled="454 Throttling failure: Maximum sending rate exceeded.",
    unavailable="421 Service not available, closing transmission channel",
    failed="451 Temporary service failure",
    rejected="554 Message rejected: by a fault of the local sandbox",
)

#: Source: Mailtrap's help pages and a recorded session of the Mailtrap Sandbox; the text
#: after the final dot is not documented (2026-08).
MAILTRAP = Words(
    host="live.smtp.mailtrap.io",
    banner="220 live.smtp.mailtrap.io ESMTP ready",
    ok="250 2.0.0 Ok",
    bye="221 2.0.0 Bye",
    start_tls="220 2.0.0 Start TLS",
    go_ahead="354 Go ahead",
    logged_in="235 2.0.0 OK",
    sender_ok="250 2.1.0 Ok",
    recipient_ok="250 2.1.0 Ok",
    tls_first="530 5.7.0 Must issue a STARTTLS command first",
    login_first="530 5.7.1 Authentication required",
    bad_login="535 5.7.0 Invalid login or password",
    bad_sender="501 5.1.7 Bad sender address syntax",
    bad_recipient="501 5.1.3 Bad recipient address syntax",
    bad_parameter="555 5.5.4 Unsupported option",
    sequence="503 5.5.1 Error: bad sequence of commands",
    syntax="501 5.5.4 Syntax error",
    unknown_command="502 5.5.2 Error: command not recognized",
    unknown_mechanism="504 5.5.4 Unrecognized authentication type",
    not_ascii="500 5.5.2 Error: command is not ASCII",
    vrfy="252 2.0.0 Cannot VRFY user",
    line_too_long="500 5.5.2 Error: line too long",
    bare_line_end="550 5.5.2 Error: bare CR or LF in the message",
    too_big="552 5.3.4 Error: message too big",
    too_many_at_once="452 4.5.3 Error: too many recipients",
    too_many_connections="421 4.7.0 Too many connections",
    timeout="421 4.4.2 Error: timeout exceeded",
    throttled="550 5.7.0 Requested action not taken: too many emails per second",
    unavailable="421 4.3.2 Service not available, closing transmission channel",
    failed="451 4.3.0 Error: queue file write error",
    rejected="550 5.7.1 Message rejected by a fault of the local sandbox",
)
