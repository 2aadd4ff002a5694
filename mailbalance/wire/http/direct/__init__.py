"""Our own HTTP/1.1 exchange, for the providers' hosts: a POST or GET, and its reply.

What lives here: the exchange itself and the connections it runs on, nothing in between.
What must not: proxies, redirects, cookies, HTTP/2, anything a mail API does not need; for
a proxy or a user's own client ``HttpWire`` takes another road.

The parts: ``dialogue`` holds one exchange and every judgement in it, and does no I/O;
``outgoing`` is the request as bytes, ``replies`` reads the reply; ``blocking`` and
``looped`` move the bytes, over ``bio`` where TLS is; the two ``..._pool`` modules keep
connections by the rules of ``shelf``; ``roads`` joins them.

Why beside httpcore2: the last block of a request is written by itself, so that the commit
point is exact for large messages too, and an exchange costs a fraction of the time.
"""

from mailbalance.wire.http.direct.roads import DirectRoads

__all__ = ["DirectRoads"]
