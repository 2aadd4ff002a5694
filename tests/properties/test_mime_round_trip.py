"""What goes into a message comes out of any reader: two that we did not write, and ours."""

import pickle

from hypothesis import given

from mailbalance import mime
from mailbalance.message import Message
from tests.properties.mails import (
    Read,
    fewer,
    meant,
    messages,
    read_by_rust,
    read_by_stdlib,
    without_spaces,
)


def with_line_end(read: Read) -> Read:
    """A body that is the whole message ends in a line end, added if need be."""
    read.bodies = {
        k: v if v.endswith("\n") else f"{v}\n" for k, v in read.bodies.items()
    }
    return read


@fewer
@given(message=messages())
def test_the_stdlib_reads_back_what_was_written(message: Message) -> None:
    found = read_by_stdlib(mime.render(message))

    assert without_spaces(with_line_end(found)) == without_spaces(
        with_line_end(meant(message))
    )


@fewer
@given(message=messages())
def test_an_independent_parser_reads_back_what_was_written(message: Message) -> None:
    found = read_by_rust(mime.render(message))

    assert with_line_end(found) == with_line_end(meant(message))


@fewer
@given(message=messages())
def test_our_own_reader_reads_back_what_was_written(message: Message) -> None:
    found = Message.from_mime(mime.render(message), bcc=message.bcc)

    assert found.unrepresented == ()
    for field in ("from_", "to", "cc", "bcc", "reply_to", "subject", "attachments"):
        assert getattr(found, field) == getattr(message, field)
    assert with_line_end(meant(found)) == with_line_end(meant(message))
    stamps = found.stamp(), message.stamp()
    assert stamps[0].message_id == stamps[1].message_id
    assert stamps[0].moment == stamps[1].moment


@fewer
@given(message=messages())
def test_json_and_pickle_give_the_same_message(message: Message) -> None:
    assert Message.model_validate_json(message.model_dump_json()) == message
    assert Message.model_validate(message.model_dump()) == message
    again = pickle.loads(pickle.dumps(message))  # noqa: S301 - our own bytes
    assert again == message
    assert hash(again) == hash(message)
