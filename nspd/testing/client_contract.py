"""The contract of a client, as tests that its author runs against a scripted daemon."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import msgspec

from nspd.model import errors
from nspd.testing.fake_daemon import FakeDaemon, Request, record
from nspd.testing.violation import ContractViolation, require

_T = TypeVar("_T")

NEXT, END = "NSPv2LookupServiceNextEx", "NSPv2LookupServiceEnd"
BEGIN, STARTUP = "NSPv2LookupServiceBegin", "NSPv2Startup"
CANCEL = "$/cancelRequest"
_ENDINGS = (errors.WSA_E_NO_MORE, errors.WSA_E_CANCELLED)


class Visit:
    """One client of one fake daemon, in one check."""

    def __init__(self, contract: ClientContract, daemon: FakeDaemon, client: Any) -> None:
        self.daemon = daemon
        self.client = client
        self._contract = contract
        self._begun: list[Any] = []

    def begin(self) -> Any:
        """Begin a lookup.

        Raises:
            ContractViolation: it failed, or did not come to its end.
        """
        beginning = self.start_begin()
        error = self.error(beginning)
        require(error is None, f"Begin fails with {error!r}")
        return beginning.result()

    def start_begin(self) -> Future[Any]:
        """Start a Begin; the future has the lookup."""

        def begin() -> Any:
            lookup = self._contract.begin(self.client)
            self._begun.append(lookup)
            return lookup

        return in_thread(begin)

    def end_all(self) -> None:
        """End every lookup, as far as it can be ended."""
        ended = {"cancelled": 0, "work": "none"}
        self.daemon.answer(END, lambda request: request.reply(ended))
        for lookup in self._begun:
            self.error(self.end(lookup))

    def next(self, lookup: Any) -> Future[str]:
        """Start a NextEx; the future has the name in the record."""
        return in_thread(self._contract.next, self.client, lookup)

    def end(self, lookup: Any) -> Future[None]:
        """Start an End."""
        return in_thread(self._contract.end, self.client, lookup)

    def name(self, call: Future[str]) -> str:
        """The name in the record that a call got.

        Raises:
            ContractViolation: it failed, or did not come to its end.
        """
        error = self.error(call)
        require(error is None, f"NextEx fails with {error!r}, and should have had a record")
        return call.result()

    def code(self, call: Future[Any]) -> int | None:
        """The error number that a call ended with.

        Raises:
            ContractViolation: it succeeded, or did not come to its end.
        """
        error = self.error(call)
        require(error is not None, "a call succeeds that should have failed")
        assert error is not None
        return self._contract.code_of(error)

    def error(self, call: Future[Any]) -> BaseException | None:
        """What a call failed with, if it did."""
        try:
            return call.exception(self._contract.within)
        except TimeoutError:
            within = self._contract.within
            raise ContractViolation(f"a call does not end within {within:.0f} s") from None

    def expect_next(self) -> Request:
        """The next NextEx that the daemon gets."""
        return self.daemon.expect(NEXT)


class ClientContract:
    """What a client of nspd has to bear and to keep, as a class of tests.

    Subclass it under a name that your test runner takes for a class of tests, and
    say how your client does each operation. The methods may block; they are
    called in threads, several at once where calls are to wait side by side. A
    client in another language can be driven through a pipe.

    Each ``test_`` method needs no argument, and no test runner: it raises
    `ContractViolation` with one sentence.
    """

    within = 5.0
    """Seconds within which what must happen happens."""

    def connect(self, path: str) -> Any:
        """A client of the daemon at this socket (which it may also connect to later)."""
        raise NotImplementedError

    def close(self, client: Any) -> None:
        """Close the client; harmless if its connection is lost."""
        raise NotImplementedError

    def begin(self, client: Any) -> Any:
        """Begin a lookup of anything, and return what stands for it."""
        raise NotImplementedError

    def next(self, client: Any, lookup: Any) -> str:
        """Make a NextEx; wait; return ``service_instance_name`` of its record, or raise."""
        raise NotImplementedError

    def end(self, client: Any, lookup: Any) -> None:
        """End the lookup."""
        raise NotImplementedError

    def give_up_next(self, client: Any, lookup: Any, when: Callable[[], object]) -> None:
        """Make a NextEx, and give it up on the client's side once ``when()`` has returned.

        In the manner of the client: cancel the task, interrupt the thread, pass a
        deadline. Leave it out if callers of the client cannot do that.
        """
        raise NotImplementedError

    def code_of(self, error: BaseException) -> int | None:
        """The error number in an exception that the client raised; None: it has none."""
        code = getattr(error, "code", None)
        return code if isinstance(code, int) else None

    # The checks

    def test_speaks_the_protocol(self) -> None:
        """Startup comes before Begin, and every line is a request that a daemon takes."""
        with self._visit() as visit:
            self._read_one(visit, visit.begin(), "one")
            order = [request.method for request in visit.daemon.seen]
            require(STARTUP in order, "the client sends no NSPv2Startup")
            first = order.index(STARTUP) < order.index(BEGIN)
            require(first, "the client sends NSPv2LookupServiceBegin before NSPv2Startup")

    def test_ids_are_not_reused(self) -> None:
        """No request has the id of an earlier one: a late reply would be taken for its own."""
        with self._visit() as visit:
            lookup = visit.begin()
            for number in range(20):
                self._read_one(visit, lookup, str(number))
            ids = [request.id for request in visit.daemon.seen if request.id is not None]
            require(len(ids) == len(set(ids)), f"an id is used twice: {ids}")

    def test_takes_replies_in_any_order(self) -> None:
        """Each reply goes to the call that it answers, whatever came first."""
        with self._visit() as visit:
            calls = {}
            for name in ("first", "second", "third"):
                calls[name] = (visit.next(visit.begin()), visit.expect_next())
            for name, (_, request) in reversed(calls.items()):
                request.reply(record(name))
            for name, (call, _) in calls.items():
                got = visit.name(call)
                require(got == name, f"a call gets {got!r}, the answer to another")

    def test_takes_pieces(self) -> None:
        """Messages may come byte by byte, or several at once."""
        with self._visit() as visit:
            lookup = visit.begin()
            call, request = visit.next(lookup), visit.expect_next()
            reply = {"jsonrpc": "2.0", "id": request.id, "result": record("slow")}
            for byte in _line(reply):
                request.write_bytes(bytes([byte]))
            require(visit.name(call) == "slow", "a reply that comes in pieces is not read")
            other = visit.begin()
            calls = [visit.next(each) for each in (lookup, other)]
            requests = [visit.expect_next() for _ in calls]
            replies = [
                {"jsonrpc": "2.0", "id": each.id, "result": record(str(each.params["lookup"]))}
                for each in requests
            ]
            requests[0].write(*replies)
            names = {visit.name(each) for each in calls}
            require(len(names) == 2, "of two replies in one piece one is not read")

    def test_takes_long_records(self) -> None:
        """A reply may be as long as a message of the protocol."""
        with self._visit() as visit:
            call = visit.next(visit.begin())
            visit.expect_next().reply(record("long", blob="QUJD" * 150_000))
            require(visit.name(call) == "long", "a long reply is not read")

    def test_ignores_what_it_does_not_know(self) -> None:
        """A newer daemon may say more: members of replies and records, notifications."""
        with self._visit() as visit:
            visit.daemon.answer(
                BEGIN, lambda begin: begin.reply({"lookup": 5, "later": 1}, later={"more": True})
            )
            call = visit.next(visit.begin())
            request = visit.expect_next()
            request.write({"jsonrpc": "2.0", "method": "nspd.Later", "params": {"news": 1}})
            request.reply(record("known", later={"more": True}), later=[1])
            require(visit.name(call) == "known", "an unknown member disturbs the client")

    def test_trusts_no_stray_reply(self) -> None:
        """A reply to nothing is no call's: it is ignored, or the connection is given up."""
        with self._visit() as visit:
            call, request = visit.next(visit.begin()), visit.expect_next()
            request.write({"jsonrpc": "2.0", "id": 987_654_321, "result": record("stray")})
            request.write({"jsonrpc": "2.0", "id": "x", "error": {"code": 10111, "message": ""}})
            request.reply(record("own"))
            self._own_or_lost(visit, call, "own")

    def test_trusts_no_second_reply(self) -> None:
        """A second reply to a call that was answered is no other call's."""
        with self._visit() as visit:
            call, request = visit.next(visit.begin()), visit.expect_next()
            request.reply(record("first"))
            require(visit.name(call) == "first", "a reply is not read")
            request.reply(record("second"))
            visit.daemon.answer(NEXT, lambda further: further.reply(record("own")))
            beginning = visit.start_begin()
            if visit.error(beginning) is not None:
                self._must_be_lost(visit, beginning)
                beginning = visit.start_begin()
            require(visit.error(beginning) is None, "the client does not connect anew")
            self._own_or_lost(visit, visit.next(beginning.result()), "own")

    def test_knows_the_old_codes(self) -> None:
        """10102 means 10110, and 10103 means 10111 (C14)."""
        with self._visit() as visit:
            for old, new in ((10102, 10110), (10103, 10111)):
                call = visit.next(visit.begin())
                visit.expect_next().fail(old, verdicts=[])
                code = visit.code(call)
                require(code == new, f"{old} from the daemon is {code} to callers, not {new}")

    def test_tells_codes(self) -> None:
        """Callers get the number of an error, known or not."""
        with self._visit() as visit:
            for code in (11004, 10060, 10014, 12_345):
                call = visit.next(visit.begin())
                visit.expect_next().fail(code, verdicts=[], buffer_length=500)
                got = visit.code(call)
                require(got == code, f"{code} from the daemon is {got} to callers")

    def test_end_overtakes_next(self) -> None:
        """End goes out while a NextEx waits, and that NextEx fails with 10111 (C2)."""
        with self._visit() as visit:
            lookup = visit.begin()
            call, request = visit.next(lookup), visit.expect_next()
            ending = visit.end(lookup)
            end = visit.daemon.expect(END)
            request.fail(errors.WSA_E_CANCELLED)
            if end.id is not None:
                end.reply({"cancelled": 1, "work": "stopped"})
            code = visit.code(call)
            require(code == errors.WSA_E_CANCELLED, f"an ended call fails with {code}, not 10111")
            require(visit.error(ending) is None, "End fails")

    def test_keeps_a_late_record(self) -> None:
        """The record of a call that was given up is the next call's (C7, client-side-drop)."""
        with self._visit() as visit:
            request, lookup = self._give_up(visit)
            if request is None:
                return
            request.reply(record("late"))
            visit.daemon.answer(NEXT, lambda further: further.reply(record("further")))
            got = [visit.name(visit.next(lookup)) for _ in range(2)]
            require(got == ["late", "further"], f"a late record is lost, or out of turn: {got}")

    def test_withdraws_what_is_given_up(self) -> None:
        """The daemon is told, its 10111 is nobody's, and the next call asks anew."""
        with self._visit() as visit:
            request, lookup = self._give_up(visit)
            if request is None:
                return
            self._wait(
                lambda: any(each.params.get("id") == request.id for each in self._cancels(visit)),
                "the client does not send $/cancelRequest for a call that was given up",
            )
            request.fail(errors.WSA_E_CANCELLED)
            got = self._read_one(visit, lookup, "anew")
            require(got == "anew", f"after a call that was given up the next one gets {got!r}")

    def test_fails_what_waits_when_the_daemon_is_lost(self) -> None:
        """Each waiting call fails once, and neither as ended nor as cancelled."""
        with self._visit() as visit:
            calls = [visit.next(visit.begin()) for _ in range(3)]
            requests = [visit.expect_next() for _ in calls]
            requests[0].hang_up()
            for call in calls:
                self._must_be_lost(visit, call)

    def test_fails_on_half_a_message(self) -> None:
        """A reply that breaks off is none."""
        with self._visit() as visit:
            call, request = visit.next(visit.begin()), visit.expect_next()
            reply = {"jsonrpc": "2.0", "id": request.id, "result": record("half")}
            request.write_bytes(_line(reply)[:60])
            request.hang_up()
            self._must_be_lost(visit, call)

    def test_fails_on_what_is_no_message(self) -> None:
        """Bytes that are no JSON end the connection, and nobody waits for ever."""
        with self._visit() as visit:
            call, request = visit.next(visit.begin()), visit.expect_next()
            request.write_bytes(b"\xff\xfe this is no daemon\n")
            self._must_be_lost(visit, call)

    def test_connects_anew(self) -> None:
        """After a loss all is new: a connection, a session, and no old handle on it."""
        with self._visit() as visit:
            old = visit.begin()
            call = visit.next(old)
            visit.expect_next().hang_up()
            visit.error(call)
            new = visit.begin()
            require(visit.daemon.connections == 2, "the client does not connect anew")
            require(len(visit.daemon.sent(STARTUP)) == 2, "the client sends no second Startup")
            self._read_one(visit, new, "new")
            before = len(visit.daemon.sent(NEXT))
            call = visit.next(old)
            self._wait(
                lambda: call.done() or len(visit.daemon.sent(NEXT)) > before,
                "a call on a lookup of the lost connection does not end",
            )
            sent = len(visit.daemon.sent(NEXT)) - before
            require(not sent, "the client sends a handle of the lost connection over the new one")
            visit.code(call)

    def test_closing_ends_what_waits(self) -> None:
        """A closed client leaves no call waiting, and no connection."""
        with self._visit() as visit:
            call = visit.next(visit.begin())
            visit.expect_next()
            closing = in_thread(self.close, visit.client)
            visit.code(call)
            require(visit.error(closing) is None, "close fails")
            self._wait(lambda: visit.daemon.open == 0, "a closed client keeps its connection")

    # What they share

    @contextmanager
    def _visit(self) -> Iterator[Visit]:
        with TemporaryDirectory(prefix="nspd-contract-") as directory:
            path = Path(directory, "nspd.sock")
            with FakeDaemon(path, self.within) as daemon:
                client = self.connect(str(path))
                visit = Visit(self, daemon, client)
                try:
                    yield visit
                    visit.end_all()
                    daemon.must_be_well_formed()
                finally:
                    self.close(client)

    def _read_one(self, visit: Visit, lookup: Any, name: str) -> str:
        """Have one call answered with a record; the name that its caller got."""
        call = visit.next(lookup)
        visit.expect_next().reply(record(name))
        return visit.name(call)

    def _give_up(self, visit: Visit) -> tuple[Request | None, Any]:
        """A NextEx that was given up when the daemon had it; None: the client cannot do that."""
        lookup = visit.begin()
        requests: list[Request] = []
        try:
            self.give_up_next(visit.client, lookup, lambda: requests.append(visit.expect_next()))
        except NotImplementedError:
            return None, lookup
        require(requests, "give_up_next() does not call when()")
        return requests[0], lookup

    def _cancels(self, visit: Visit) -> list[Request]:
        return visit.daemon.sent(CANCEL)

    def _own_or_lost(self, visit: Visit, call: Future[str], name: str) -> None:
        """The call has this record, or fails as with a lost connection."""
        if visit.error(call) is None:
            require(call.result() == name, f"a call gets {call.result()!r}, which is not its own")
        else:
            self._must_be_lost(visit, call)

    def _must_be_lost(self, visit: Visit, call: Future[Any]) -> None:
        code = visit.code(call)
        require(code not in _ENDINGS, f"a lost connection is {code} to callers, as an end is")

    def _wait(self, condition: Callable[[], bool], otherwise: str) -> None:
        pause = threading.Event()
        for _ in range(int(self.within * 500)):
            if condition():
                return
            pause.wait(0.002)
        raise ContractViolation(otherwise)


def in_thread(function: Callable[..., _T], *args: Any) -> Future[_T]:
    """Call a function in a thread of its own, which nobody has to wait for."""
    future: Future[_T] = Future()

    def body() -> None:
        try:
            future.set_result(function(*args))
        except BaseException as error:  # noqa: BLE001 - whoever waits for the future gets it
            future.set_exception(error)

    threading.Thread(target=body, name="contract call", daemon=True).start()
    return future


def _line(message: Any) -> bytes:
    return msgspec.json.encode(message) + b"\n"
