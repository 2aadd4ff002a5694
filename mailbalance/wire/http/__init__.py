"""HTTP as sending needs it: one POST, one outcome, nothing retried and nothing hidden.

What lives here: ``HttpWire`` and the two values that pass through it. What must not: any
provider's knowledge, any opinion on a status code beyond "2xx must be readable in full".

The parts: ``exchange`` knows how far one request came; ``faults`` turns foreign exceptions
into ours; and there are three roads.

* ``direct``: an exchange of our own, the default. It knows the commit point of a large
  request to the byte, and costs half of the next.
* ``pooled``: httpcore2, the lower half of httpx2, where a proxy applies. ``pools`` keeps
  its connections; ``sockets`` and ``streams`` move the bytes, so that a deadline can
  bound a server that sends its reply one byte at a time.
* ``clients``: a user's own httpx2 or httpx client.
"""

from mailbalance.wire.http.exchange import HttpRequest, HttpResponse
from mailbalance.wire.http.wire import HttpWire

__all__ = ["HttpRequest", "HttpResponse", "HttpWire"]
