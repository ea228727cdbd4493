"""One connection, without its socket: requests in, replies out, what is owed in between.

It is the one place where wire and core meet. Requests take effect in the order
in which they were sent, in plain functions; what a handler returns is the
reply, and None means that the reply is owed (`owe`, `wait`). So each request
gets exactly one (C1).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from nspd.core.limits import CHANGES_BYTES, UNSENT_BYTES
from nspd.core.outcome import Failure, Outcome, failure_of
from nspd.core.waiting import Waiter
from nspd.model.errors import (
    WSA_NOT_ENOUGH_MEMORY,
    WSAENOBUFS,
    WSASYSCALLFAILURE,
    WSAError,
)
from nspd.model.queryset import QuerySet
from nspd.wire import encode
from nspd.wire.decode import Receiver
from nspd.wire.events import Batch, Event, Invalid, Oversized, Request
from nspd.wire.types import INTERNAL_ERROR, INVALID_REQUEST, Id

if TYPE_CHECKING:
    from nspd.core.clock import Timer
    from nspd.core.users import Peer
    from nspd.server.server import Server

TURN = 64
"""Requests carried out before other connections get their turn."""

BATCH_BYTES = 8 * 1024 * 1024
"""Bytes of replies held for one batch; past that its calls for records answer 10055."""

BATCH_IS_FULL = Failure(WSAENOBUFS, "the replies to this batch are too large")


class Transport(Protocol):
    """What a connection needs of its socket."""

    def output_ready(self) -> None:
        """There are replies to send, outside of a turn."""

    @property
    def unsent(self) -> int:
        """Bytes of replies not yet taken by the client."""


class Sink(Protocol):
    """Where a reply goes: into the connection's output, or into the array of its batch."""

    def put(self, line: bytes) -> None:
        """Take one reply."""


class WaitingCall(Protocol):
    """A call that `$/cancelRequest` can withdraw."""

    def withdraw(self) -> None:
        """Answer it 10111, now."""


UNWRITABLE = (TypeError, ValueError, OverflowError)
"""What the encoder raises for a record that is no JSON, such as text that is no Unicode."""

UNWRITABLE_RECORD = Failure(WSASYSCALLFAILURE, "a provider gave a record that cannot be written")

Handler = Callable[["Connection", Request, Sink], bytes | None]


class _BatchReply:
    """The one array that answers a batch, once all its calls are settled."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lines: list[bytes] = []
        self._open = 1  # the batch itself, until all its calls have begun
        self._for_records: dict[Id, Waiter] = {}
        self.size = 0

    def expect(self) -> None:
        self._open += 1

    def wait(self, id: Id) -> None:
        """One of its calls has to wait."""
        call = self._connection.waiting.get(id)
        if isinstance(call, Waiter):
            self._for_records[id] = call

    def put(self, line: bytes) -> None:
        self._lines.append(line)
        self.size += len(line)
        self._connection.hold(len(line))
        if self.size > BATCH_BYTES and self._for_records:
            self._take_no_more()
        self.settle()

    def forget(self) -> None:
        """Let go of its calls, which point back here."""
        self._for_records.clear()

    def _take_no_more(self) -> None:
        """One call that never ends must not have all the others' records pile up here."""
        for_records, self._for_records = self._for_records, {}
        for id, call in for_records.items():
            if self._connection.waiting.get(id) is call:
                call.refuse(BATCH_IS_FULL)

    def settle(self) -> None:
        self._open -= 1
        if self._open == 0:
            self._connection.batches.discard(self)
            self.forget()
            self._connection.hold(-self.size)
            if self._lines:
                self._connection.put(encode.batch(self._lines))


class Connection:
    """What one client sends and is owed. Opened and closed by its `Link`."""

    def __init__(self, server: Server, peer: Peer, transport: Transport) -> None:
        self.server = server
        self.peer = peer
        self.transport = transport
        self.session = server.router.open_session(peer)
        self.receiver = Receiver(server.settings.limits.max_message)
        self.backlog: deque[Event] = deque()
        """Decoded, but not yet carried out."""
        self.waiting: dict[Id, WaitingCall] = {}
        """Calls that wait, by id; `$/cancelRequest` may withdraw them."""
        self._standing: dict[Id, WaitingCall] = {}
        self.owed: set[Id] = set()
        """Other requests that have taken effect and will be answered later."""
        self._answering: Id = None  # the request being carried out; None once `settle` has done it
        self.batches: set[_BatchReply] = set()
        """Batches not yet answered."""
        self.output = bytearray()
        """Replies to be sent, each with its newline; the link that takes them leaves a new one."""
        self._news: list[bytes] = []  # told while a request is carried out, sent after its reply
        self._in_turn = False
        self._charged = 0
        self._batched = 0
        self.corked = False
        self.crowded = False
        """So many changes wait to be made that nothing more is carried out for now."""
        self.closing = False
        """Nothing more is carried out; the link hangs up when nothing is owed (`finished`)."""
        self.discard_input = False
        self._input_ended = False
        self._last_word: bytes | None = None
        self._grace: Timer | None = None
        self.dead = False
        """The socket is gone: nobody hears an answer."""

    # Input

    def receive(self, data: bytes) -> bool:
        """Decode bytes from the client and carry them out, as `turn` does."""
        if self.closing:
            return False
        events = self.receiver.feed(data)
        self.server.requests += len(events)
        if len(events) == 1:
            event = events[0]
            if isinstance(event, Request):
                return self.carry_out(event, self.server.handlers[event.method])
        return self.take(events)

    def take(self, events: Sequence[Event]) -> bool:
        """Carry out what was decoded from bytes of the client, as `turn` does."""
        if self.closing:
            return False
        self.backlog.extend(events)
        return self.turn()

    def carry_out(self, request: Request, handler: Handler) -> bool:
        """Carry out the one request that arrived, as `turn` does; ``handler`` is its method's."""
        if self.backlog or self.corked or self.crowded or self.closing:
            return self.take([request])
        self._in_turn = True
        reply = self._answer(request, self, handler)
        if reply is not None:
            output = self.output
            output += reply
            output += b"\n"
        if self._news:
            self._pass_news_on()
        self._in_turn = False
        return False

    def end_of_input(self) -> None:
        """The client will send nothing more, but still gets what it is owed."""
        self._input_ended = True
        self.backlog.extend(self.receiver.finish())

    def turn(self) -> bool:
        """Carry out what was received; whether some of it is left for another turn."""
        backlog = self.backlog
        self._in_turn = True
        left = TURN
        while backlog and left and not (self.corked or self.crowded or self.closing):
            left -= self._carry_out(backlog.popleft())
            if self._news:
                self._pass_news_on()
            if len(self.output) > UNSENT_BYTES:
                break
        self._in_turn = False
        if self.closing:
            backlog.clear()
        if not backlog and self._input_ended:
            self._half_closed()
        return bool(backlog) and not (self.corked or self.crowded)

    def _carry_out(self, event: Event) -> int:
        """Carry out one event; returns how many requests that was."""
        if isinstance(event, Request):
            reply = self._answer(event, self, self.server.handlers[event.method])
            if reply is not None:
                self.output += reply + b"\n"
            return 1
        if isinstance(event, Batch):
            return self._carry_out_batch(event)
        if isinstance(event, Oversized):
            self._refuse_oversized(event)
        elif isinstance(event, Invalid):
            reply = self._refuse(event)
            if reply is not None:
                self.put(reply)
        return 1

    def _answer(self, request: Request, sink: Sink, handler: Handler) -> bytes | None:
        """Let one request take effect; its reply, or None if that is owed or not wanted."""
        id = request.id
        if (self.waiting or self.owed) and self._is_owed(id):
            return _id_in_use(id)
        self._answering = id
        try:
            reply = handler(self, request, sink)
        except WSAError as error:
            reply = _refused(id, error)
        except Exception:
            # A bug of ours must not take the other clients' daemon down.
            self.server.log.exception("request failed", method=request.method)
            self._disown(id)
            reply = encode.error(id, INTERNAL_ERROR, "the daemon failed to carry this out")
        if self._answering is None:
            return None
        if reply is None and not self._is_owed(id):
            reply = encode.error(id, INTERNAL_ERROR, "the daemon has no answer to this")
        return reply

    def _is_owed(self, id: Id) -> bool:
        """Whether an earlier request with this id is still to be answered."""
        return id in self.waiting or id in self.owed

    def _disown(self, id: Id) -> None:
        self.waiting.pop(id, None)
        self.owed.discard(id)

    def _refuse(self, invalid: Invalid) -> bytes | None:
        if invalid.notification:
            return None
        id = invalid.id
        if self._is_owed(id):
            return _id_in_use(id)
        first = self.server.refusal_before_arguments(self, invalid.method)
        if first is not None:
            return encode.error(id, first.code, first.detail, first.data)
        return encode.error(id, invalid.code, invalid.detail, invalid.data)

    def _carry_out_batch(self, batch: Batch) -> int:
        self.server.requests += len(batch.items) - 1
        reply = _BatchReply(self)
        self.batches.add(reply)
        for item in batch.items:
            reply.expect()
            if isinstance(item, Request):
                line = self._answer(item, reply, self.server.handlers[item.method])
            else:
                line = self._refuse(item)
            if line is not None:
                reply.put(line)
            elif item.notification:
                reply.settle()
            else:
                reply.wait(item.id)
        reply.settle()
        return len(batch.items)

    # Output

    def put(self, line: bytes) -> None:
        """Take one reply to be sent to the client."""
        self.output += line
        self.output += b"\n"
        if not self._in_turn and not self.dead:
            if len(self.output) > UNSENT_BYTES and not self.corked:
                # A provider may give many records before the link comes to send them.
                self.cork(True)
            self.transport.output_ready()

    def tell(self, line: bytes) -> None:
        """Take one notification: not before the reply to the request that it comes from."""
        if self._in_turn:
            self._news.append(line)
        else:
            self.put(line)

    def _pass_news_on(self) -> None:
        news, self._news = self._news, []
        for line in news:
            self.put(line)

    def charge(self, unsent: int) -> None:
        """Charge the user for the replies that this client has not taken."""
        change = unsent - self._charged
        if change:
            self._charged = unsent
            self.session.user.discharge(-change)

    def hold(self, change: int) -> None:
        """Charge the user for replies that wait for the rest of their batch, or for fewer."""
        self._batched += change
        self.session.user.discharge(-change)

    def cork(self, corked: bool) -> None:
        """Hand over no further record to a client that does not read, until it does."""
        self.corked = corked
        self.session.cork(corked)

    def changes_held(self) -> None:
        """A change has been put into its queue, or is done: look whether there are too many.

        A user past his bytes may still have one under way from each connection.
        """
        session = self.session
        user, held = session.user, session.changes_held
        short = user.bytes >= user.byte_limit and not self.peer.administrator
        crowded = held > (CHANGES_BYTES // 2 if self.crowded else CHANGES_BYTES)
        self.crowded = crowded or (short and held > 0)
        if not self.crowded and self.backlog and not self.dead:
            self.transport.output_ready()

    # Calls that are answered later

    def wait(self, id: Id, call: WaitingCall, *, standing: bool = False) -> None:
        """Note a call that waits; a standing one belongs to no lookup and outlives a Rundown.

        Raises:
            WSAError: too many do.
        """
        if len(self.waiting) >= self.server.settings.limits.waiting_calls:
            raise WSAError("limits.waiting_calls is reached", code=WSA_NOT_ENOUGH_MEMORY)
        self.waiting[id] = call
        if standing:
            self._standing[id] = call

    def owe(self, id: Id) -> None:
        """Note a request that has taken effect and will be answered."""
        if id is not None:
            self.owed.add(id)

    def settle(self, id: Id, sink: Sink, line: bytes) -> None:
        """Answer a call that waited or was owed."""
        self.waiting.pop(id, None)
        self._standing.pop(id, None)
        self.owed.discard(id)
        if self.dead:
            return
        if id == self._answering:
            self._answering = None
        if id is not None:
            sink.put(line)
        if self._input_ended or self.closing:
            self._check_finished()

    # The end

    @property
    def finished(self) -> bool:
        """Whether the link hangs up as soon as the output is sent."""
        return self.closing and not self.waiting and not self.owed and not self.batches

    def _half_closed(self) -> None:
        """All that the client sent has taken effect: close when nothing is owed any more."""
        if not self.closing and self._grace is None:
            self._grace = self.server.router.clock.call_later(
                self.server.settings.limits.half_close_grace, self.give_up
            )
        self._check_finished()

    def _check_finished(self) -> None:
        if self.waiting or self.owed or self.batches:
            return
        if self._input_ended and not self.backlog:
            self.closing = True
        if self.closing:
            if self._last_word is not None:
                word, self._last_word = self._last_word, None
                self.output += word + b"\n"
            if not self.dead:
                self.transport.output_ready()

    def give_up(self) -> None:
        """Answer all that waits with 10111, then close."""
        self.closing = True
        self.backlog.clear()
        self._withdraw_all()

    def _withdraw_all(self) -> None:
        def swept() -> None:
            for call in list(self._standing.values()):
                call.withdraw()
            self._check_finished()

        self.session.rundown(swept)

    def _refuse_oversized(self, event: Oversized) -> None:
        self.closing = self.discard_input = True
        answer = event.answer
        self._last_word = encode.error(answer.id, answer.code, answer.detail, answer.data)
        self._withdraw_all()

    def closed(self) -> None:
        """The socket is gone: run the session down; nobody hears the answers."""
        self.dead = True
        self.closing = True
        if self._grace is not None:
            self._grace.cancel()
        self.charge(0)
        self.hold(-self._batched)
        self.backlog.clear()
        self.session.close()
        for call in list(self._standing.values()):
            call.withdraw()
        self.output.clear()
        # These point here: without this only the collector could free them.
        self.transport = _GONE
        for batch in self.batches:
            batch.forget()
        self.batches.clear()


class _Gone:
    """The transport of a connection that is over."""

    unsent = 0

    def output_ready(self) -> None:
        """Nobody hears it."""


_GONE = _Gone()


def _id_in_use(id: Id) -> bytes:
    return encode.error(None, INVALID_REQUEST, "a call with this id is still waiting", {"id": id})


def reply_to(id: Id, outcome: Outcome) -> bytes:
    """The reply to a NextEx."""
    if type(outcome) is QuerySet:
        try:
            return encode.result(id, outcome)
        except UNWRITABLE:
            outcome = UNWRITABLE_RECORD
    assert isinstance(outcome, Failure)
    return encode.error(id, outcome.code, outcome.detail, outcome.data)


def _refused(id: Id, error: WSAError) -> bytes:
    """The reply that tells an error, without its data if a provider put there what is no JSON."""
    try:
        return encode.error(id, error.code, error.detail, error.data)
    except UNWRITABLE:
        return encode.error(id, error.code, failure_of(error).detail)
