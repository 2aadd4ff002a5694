"""HTTP as sending needs it: one POST, one outcome, nothing retried and nothing hidden.

What lives here: ``HttpWire`` and the two values that pass through it. What must not: any
provider's knowledge, any opinion on a status code beyond "2xx must be readable in full".

The parts: ``exchange`` knows how far one request came; ``pools`` keeps connections;
``sockets`` and ``streams`` move the bytes, with a deadline; ``clients`` drives a user's
own httpx2 or httpx client instead; ``faults`` turns foreign exceptions into ours.

The default road is httpcore2, the lower half of httpx2: it costs two thirds of the CPU
and takes network streams of our own, which is how a deadline can bound a server that
sends its reply one byte at a time.
"""

from mailbalance.wire.http.exchange import HttpRequest, HttpResponse
from mailbalance.wire.http.wire import HttpWire

__all__ = ["HttpRequest", "HttpResponse", "HttpWire"]
