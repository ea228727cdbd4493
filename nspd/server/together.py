"""What several clients sent, carried out together in one turn, for less than one by one.

It is decoded in one call, where it is whole lines, and requests of one kind come
one after the other: what Python does again at once it does faster. Nobody can
tell the order, for none has a reply yet.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import islice
from typing import TYPE_CHECKING

from nspd.wire.decode import Request, decode_together

if TYPE_CHECKING:
    from collections.abc import Iterable

    from nspd.server.link import Link
    from nspd.server.server import Server


def carry_out_together(server: Server, links: Iterable[Link]) -> None:
    """Carry out what these links have received; one that raises costs only its own client.

    What cannot be decoded with the rest is given back to the poller.
    """
    sharing: list[Link] = []
    chunks: list[bytes] = []
    one_by_one = server.poller.after_reading
    for link in links:
        received = link.received
        if link.connection.receiver.shares and received.endswith(b"\n"):
            link.received = b""  # at once, for a link may be here twice
            sharing.append(link)
            chunks.append(received)
        else:
            one_by_one(link)
    requests = decode_together(chunks)
    if requests is None:
        for link, received in zip(sharing, chunks, strict=True):
            link.received = received
            one_by_one(link)
        return
    server.requests += len(requests)
    if len(requests) == len(sharing):
        _carry_out_requests(server, zip(sharing, requests, strict=True))
    else:
        _carry_out_several(server, sharing, chunks, requests)


def _carry_out_requests(server: Server, pairs: Iterable[tuple[Link, Request]]) -> None:
    """Carry out one request of each link."""
    kinds: defaultdict[type[Request], list[tuple[Link, Request]]] = defaultdict(list)
    for pair in pairs:
        kinds[type(pair[1])].append(pair)
    send_later = server.poller.before_waiting
    for kind, same in kinds.items():
        handler = server.handlers[kind.method]
        for link, request in same:
            connection = link.connection
            try:
                more = connection.carry_out(request, handler)
                if more or connection.owed:
                    link.carried_out(more)
                else:
                    send_later(link)
            except Exception:  # noqa: BLE001 - as in the poller's stages
                link.failed()


def _carry_out_several(
    server: Server, links: list[Link], chunks: list[bytes], requests: list[Request]
) -> None:
    """Carry out as many requests of each link as its chunk has lines."""
    following = iter(requests)
    single: list[tuple[Link, Request]] = []
    for link, chunk in zip(links, chunks, strict=True):
        own = list(islice(following, chunk.count(b"\n")))
        if len(own) == 1:
            single.append((link, own[0]))
            continue
        try:
            link.carried_out(link.connection.take(own))
        except Exception:  # noqa: BLE001 - as in the poller's stages
            link.failed()
    _carry_out_requests(server, single)
