"""Messages to RFC 5322 bytes and back; pure, and all but ``objects`` without ``email``.

What lives here: the writer, the reader and what they share. What must not: I/O, provider
knowledge, and ``mailbalance.message``, which stands above.
"""

from mailbalance.mime.dates import date_value
from mailbalance.mime.folding import address, address_list, encode_header_value, prepend
from mailbalance.mime.raw import message_id_of
from mailbalance.mime.sizes import rough_size, upper_size
from mailbalance.mime.writer import fault_in_header, pieces, render

__all__ = [
    "address",
    "address_list",
    "date_value",
    "encode_header_value",
    "fault_in_header",
    "message_id_of",
    "pieces",
    "prepend",
    "render",
    "rough_size",
    "upper_size",
]
