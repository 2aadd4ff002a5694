"""HTTP as sending needs it: one POST, one outcome, nothing retried and nothing hidden.

No provider's knowledge is here, and no opinion on a status code beyond "2xx must be
readable in full". ``client`` is the way of a request, over our own connections
(``wire.net``); ``user_clients`` the other, through a user's own httpx2 or httpx client.
"""

from mailbalance.wire.http.client import HttpWire
from mailbalance.wire.http.reply import HttpResponse
from mailbalance.wire.http.request import HttpRequest

__all__ = ["HttpRequest", "HttpResponse", "HttpWire"]
