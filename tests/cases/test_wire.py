"""Cases 120 to 150: the wire, connections and limits, with the whole server behind them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from nspd.core.limits import Limits
from nspd.providers.registry import RegistryProvider
from nspd.server import management
from nspd.server.connection import Connection, Sink
from nspd.wire import encode
from nspd.wire.events import Request
from tests.cases.harness import (
    ADMIN,
    ALICE,
    CANCELLED,
    HANG,
    INTERNAL_ERROR,
    INVALID,
    INVALID_HANDLE,
    INVALID_PARAMS,
    INVALID_REQUEST,
    NO_METHOD,
    NOT_ENOUGH_MEMORY,
    NOT_FOUND,
    PARSE_ERROR,
    REGISTRY,
    TEST,
    VIRTUAL_TIME,
    Client,
    House,
    code_of,
    open_house,
    ticks,
    until,
)
from tests.fuzzing.mutator import damaged

pytestmark = pytest.mark.anyio

STATUS = {"jsonrpc": "2.0", "method": "nspd.Status"}


def line(id: Any, method: str, **params: Any) -> bytes:
    """One request as a line."""
    message = {"jsonrpc": "2.0", "id": id, "method": method, "params": params}
    return json.dumps(message).encode() + b"\n"


SESSION = b"".join(
    [
        line(1, "NSPv2Startup"),
        b"\n",
        line("a", "nspd.Lookup", restrictions={"namespace": 4712}),
        line(2, "NSPv2LookupServiceEnd", lookup=7),
        b"\xff\xfe not a message\n",
        line(3, "NSPv2LookupServiceBegin", restrictions={"namespace": 4711}),
        line(4, "NSPv2NoSuchThing"),
        b'[{"jsonrpc":"2.0","id":5,"method":"WSAEnumNameSpaceProvidersEx"},1]\n',
        line(6, "NSPv2LookupServiceNextEx", lookup=7, rubbish="\u00e4\U0001f600"),
        line(7, "NSPv2Cleanup"),
    ]
)


async def replay(house: House, chunks: Iterator[bytes]) -> list[Any]:
    """What the daemon says to a recorded session that comes in these chunks."""
    client = house.connect(startup=False)
    for chunk in chunks:
        client.write_bytes(chunk)
    await until(lambda: len(client.received) == 9)
    client.left = True
    client.asked = [1, 2, 3, 4, 5, 6, 7, "a"]
    client.vanish()
    for message in client.received:
        if isinstance(message, dict) and message["id"] == 1:
            del message["result"]["client_session"]
    return sorted(client.received, key=json.dumps)


async def test_any_cutting_of_a_session_gives_the_same_replies() -> None:
    """Case 120: in chunks of 1, 10, 64, 512 and 1024 bytes, and of random sizes."""
    chance = random.Random(120)

    def chunks(size: int | None) -> Iterator[bytes]:
        rest = SESSION
        while rest:
            length = size or chance.randint(1, 300)
            yield rest[:length]
            rest = rest[length:]

    async with open_house() as house:
        expected = await replay(house, chunks(len(SESSION)))
        for size in (1, 10, 64, 512, 1024, None, None, None):
            assert await replay(house, chunks(size)) == expected


async def test_four_requests_in_one_write() -> None:
    """Case 121: a Startup and three lookups: nothing is swallowed."""
    async with open_house() as house:
        client = house.connect(startup=False)
        client.asked = ["hello", 1, 2, 3]
        query = {"namespace": TEST}
        client.write_bytes(
            line("hello", "NSPv2Startup")
            + b"".join(line(id, "nspd.Lookup", restrictions=query) for id in (1, 2, 3))
        )
        codes = [await client.code(id) for id in client.asked]
        assert codes == [0, 0, 0, 0]


@VIRTUAL_TIME
@pytest.mark.parametrize("ends", [True, False], ids=["one long line", "no line end"])
async def test_a_message_that_is_too_long(ends: bool) -> None:
    """Case 122: what waits is settled, one error, and the connection ends; others go on."""
    async with open_house(limits=Limits(max_message=1000)) as house:
        other = house.connect()
        elsewhere = other.next(other.begin("gate=g"))
        client = house.connect()
        waiting = client.next(client.begin(HANG))
        await ticks()
        client.write_bytes(b"x" * 1001 + (b"\n" if ends else b""))
        for _ in range(50):
            client.write_bytes(b"x" * 65536)
        assert await client.code(waiting) == CANCELLED
        await until(lambda: client.socket.closed)
        last = client.received[-1]
        assert (last["id"], last["error"]["code"]) == (None, INVALID_REQUEST)
        assert [m for m in client.received if m["id"] is None] == [last]
        house.open("g")
        assert await other.code(elsewhere) == 0


async def test_an_unknown_method() -> None:
    """Case 123: -32601 naming it; the next request works."""
    async with open_house() as house:
        client = house.connect()
        reply = await client.reply(client.send("NSPv2NoSuchThing"))
        assert code_of(reply) == NO_METHOD
        assert "NSPv2NoSuchThing" in json.dumps(reply["error"])
        assert await client.name(client.begin()) == "test-1"


@pytest.mark.parametrize(
    "bad",
    [
        b"}\n",
        b"[]\n",
        b"1\n",
        b'{"jsonrpc":"2.0","id":null,"method":"nspd.Status"}\n',
        line("bad", "NSPv2LookupServiceBegin", restrictions={"namespace": 4711}),
        line("bad", "NSPv2LookupServiceEnd", lookup=1),
        line("bad", "NSPv2LookupServiceEnd"),
        line("bad", "NSPv2Startup", protocol=9),
    ],
)
async def test_a_request_that_fails_harms_no_other(bad: bytes) -> None:
    """Case 124: one error, and valid requests on the same connection work."""
    async with open_house() as house:
        client = house.connect()
        if b'"bad"' in bad:
            client.asked.append("bad")
        client.write_bytes(bad)
        errors = [message for message in client.received if "error" in message]
        assert len(errors) == 1
        assert await client.name(client.begin()) == "test-1"


METHODS = sorted(
    {
        "NSPv2Startup": {},
        "NSPv2Cleanup": {},
        "NSPv2ClientSessionRundown": {},
        "NSPv2LookupServiceBegin": {"restrictions": {}},
        "NSPv2LookupServiceNextEx": {"lookup": 1},
        "NSPv2LookupServiceEnd": {"lookup": 1},
        "nspd.Lookup": {"restrictions": {}},
        "nspd.Explain": {"restrictions": {}},
        "$/cancelRequest": {"id": 1},
        "NSPv2SetServiceEx": {"registration": {}, "operation": 0},
        "WSAEnumNameSpaceProvidersEx": {},
        "WSCEnableNSProvider": {
            "provider_id": "00000000-0000-4000-8000-000000000000",
            "enable": True,
        },
        "WSCWriteNameSpaceOrder": {"provider_ids": []},
        "WSAProviderConfigChange": {},
        "nspd.Status": {},
        "nspd.ListSessions": {},
        "nspd.ListLookups": {},
        "nspd.EndLookup": {"lookup": 1},
        "nspd.Statistics": {},
        "nspd.FlushCaches": {},
        "nspd.ShowCache": {},
        "nspd.Reload": {},
        "nspd.SetLogLevel": {"level": "info"},
        "nspd.Monitor": {},
        "rpc.discover": {},
        "nspd.TestGate": {"gate": "g", "tokens": 1},
        "nspd.TestReset": {},
    }.items()
)


@pytest.mark.parametrize(("method", "params"), METHODS, ids=[method for method, _ in METHODS])
async def test_arguments_of_the_wrong_shape(method: str, params: dict[str, Any]) -> None:
    """Cases 125 and 126: -32602 naming what is wrong, for every operation; nothing is started."""
    async with open_house() as house:
        client = house.connect()
        wrong: list[tuple[str, dict[str, Any]]] = [("surplus", params | {"surplus": 1})]
        for member in params:
            wrong.append((member, {k: v for k, v in params.items() if k != member}))
            wrong.append((member, params | {member: None}))
            wrong.append((member, params | {member: [[{}]]}))
        before = house.census()
        for member, arguments in wrong:
            error = await client.error(client.send(method, arguments))
            assert (error["code"], error["data"]["wsa"]) == (INVALID_PARAMS, INVALID)
            assert member in error["data"]["path"]
        assert house.census() == before


async def test_every_operation_is_in_the_table_above() -> None:
    """Cases 125 and 126: a method that is added is tested, too."""
    async with open_house() as house:
        assert {method for method, _ in METHODS} == set(house.server.handlers)


async def test_an_id_that_is_in_use() -> None:
    """Case 127: the duplicate is refused with id null; the first gets its own answer."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin("gate=g")
        waiting = client.next(handle)
        client.write(STATUS | {"id": waiting})
        client.write(STATUS | {"id": str(waiting)})
        duplicate, other = client.received[-2:]
        client.asked.append(str(waiting))
        assert (duplicate["id"], duplicate["error"]["code"]) == (None, INVALID_REQUEST)
        assert duplicate["error"]["data"]["id"] == waiting
        assert other["id"] == str(waiting)
        house.open("g")
        assert (await client.result(waiting))["service_instance_name"] == "test-1"


async def test_an_id_that_is_in_use_of_a_call_that_is_owed() -> None:
    """Case 127: so it is for an End whose answer waits for the work to stop."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin(HANG)
        await ticks()
        ended = client.end(handle)
        assert client.told(ended) is None
        client.write(STATUS | {"id": ended})
        assert client.received[-1]["error"]["data"]["id"] == ended
        assert (await client.result(ended))["work"] == "stopped"


async def test_cancel_of_an_unknown_id() -> None:
    """Case 128: nothing happens and nothing is said; the connection lives."""
    async with open_house() as house:
        client = house.connect()
        frames = len(client.received)
        client.notify("$/cancelRequest", id=4711)
        client.notify("$/cancelRequest", id="nothing")
        await ticks()
        assert len(client.received) == frames
        assert await client.result(client.send("$/cancelRequest", {"id": 4711})) is None
        assert await client.name(client.begin()) == "test-1"


async def test_cancel_of_a_next_twice() -> None:
    """Case 129: it is answered once, the handle lives, and its record goes to the next call."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin("gate=g")
        waiting = client.next(handle)
        for _ in range(2):
            client.notify("$/cancelRequest", id=waiting)
        assert code_of(client.now(waiting)) == CANCELLED
        house.open("g")
        assert await client.name(handle) == "test-1"


@pytest.mark.parametrize(
    "method", ["nspd.Lookup", "nspd.Explain", "nspd.Monitor", "WSAProviderConfigChange"]
)
async def test_cancel_of_other_calls_that_wait(method: str) -> None:
    """Case 129: whole lookups, Monitor and ConfigChange are withdrawn the same way."""
    async with open_house() as house:
        client = house.connect()
        restrictions = {"namespace": TEST, "query_string": HANG}
        whole = method in ("nspd.Lookup", "nspd.Explain")
        params = {"restrictions": restrictions} if whole else {}
        waiting = client.send(method, params)
        await ticks()
        assert client.told(waiting) is None
        client.notify("$/cancelRequest", id=waiting)
        assert code_of(client.now(waiting)) == CANCELLED
        client.notify("$/cancelRequest", id=waiting)


async def test_replies_come_in_the_order_of_the_gates() -> None:
    """Case 130: five Nexts wait, the gates open in reverse; each reply has its own id."""
    async with open_house() as house:
        client = house.connect()
        waiting = [client.next(client.begin(f"gate=g{n}", name=f"name{n}")) for n in range(5)]
        for number in reversed(range(5)):
            house.open(f"g{number}")
            record = await client.result(waiting[number])
            assert record["service_instance_name"] == f"name{number}-1"
        assert [m["id"] for m in client.received[-5:]] == waiting[::-1]


async def test_calls_on_one_lookup_are_served_in_their_order() -> None:
    """Case 130: first come, first served, whatever was cancelled or timed out in between."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin("records=3&gate=g")
        waiting = [client.next(handle) for _ in range(5)]
        client.notify("$/cancelRequest", id=waiting[1])
        house.open("g", 3)
        names = [
            (await client.result(id))["service_instance_name"]
            for id in (waiting[0], waiting[2], waiting[3])
        ]
        assert names == ["test-1", "test-2", "test-3"]
        assert await client.code(waiting[4]) == 10110


async def test_nothing_about_a_lookup_before_its_handle() -> None:
    """Case 131: Begin and Next for its handle in one write: the reply to Begin comes first."""
    async with open_house() as house:
        client = house.connect()
        begun = client.send_begin("records=3&flood=1")
        handle = (await client.result(begun))["lookup"]
        following = client.next(handle + 1)
        client.asked += ["begin", "next"]
        client.write_bytes(
            line("begin", "NSPv2LookupServiceBegin", restrictions={"namespace": TEST})
            + line("next", "NSPv2LookupServiceNextEx", lookup=handle + 1)
        )
        await client.result("next")
        order = [message["id"] for message in client.received]
        assert order.index(begun) < order.index(following) < order.index("begin")
        assert order.index("begin") < order.index("next")


async def test_a_handler_that_breaks_its_word() -> None:
    """Case 132: one that returns nothing, raises, or answers and then raises: one reply each."""

    def nothing(connection: Connection, request: Request, sink: Sink) -> None:
        return None

    def fail(connection: Connection, request: Request, sink: Sink) -> None:
        raise RuntimeError("a bug")

    def answer_and_fail(connection: Connection, request: Request, sink: Sink) -> None:
        connection.owe(request.id)
        connection.settle(request.id, sink, encode.result(request.id, "done"))
        raise RuntimeError("a bug")

    async with open_house() as house:
        house.log.announced.add("request failed")
        client = house.connect()
        for handler in (nothing, fail, answer_and_fail):
            house.server.handlers["nspd.Statistics"] = handler
            reply = await client.reply(client.send("nspd.Statistics"))
            assert code_of(reply) == (0 if handler is answer_and_fail else INTERNAL_ERROR)
        assert await client.name(client.begin()) == "test-1"


async def test_notifications_and_null_ids() -> None:
    """Case 133: no reply to a notification, even to a wrong one; an error for id null."""
    async with open_house() as house:
        client = house.connect()
        frames = len(client.received)
        client.notify("nspd.Status")
        client.notify("NSPv2NoSuchThing")
        client.notify("NSPv2LookupServiceBegin", restrictions={"namespace": TEST})
        client.notify("nspd.Monitor")
        client.notify("WSAProviderConfigChange")
        client.notify("nspd.Lookup", restrictions={"namespace": TEST})
        assert len(client.received) == frames
        assert house.router.lookups == 0
        client.write(STATUS | {"id": None})
        (error,) = client.received[frames:]
        assert (error["id"], error["error"]["code"]) == (None, INVALID_REQUEST)


async def test_notifications_are_carried_out() -> None:
    """Case 133: an End without id ends, though nobody is told; NextEx takes no record."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin("records=2")
        await ticks()
        client.notify("NSPv2LookupServiceNextEx", lookup=handle)
        assert await client.name(handle) == "test-1"
        client.notify("NSPv2LookupServiceEnd", lookup=handle)
        assert await client.code(client.next(handle)) == INVALID_HANDLE


async def test_the_limit_of_waiting_calls() -> None:
    """Case 135: past it a call is refused at once with 8; End never is."""
    async with open_house(limits=Limits(waiting_calls=3)) as house:
        client = house.connect()
        handle = client.begin(HANG)
        waiting = [client.next(handle) for _ in range(3)]
        assert code_of(client.now(client.next(handle))) == NOT_ENOUGH_MEMORY
        whole = client.send("nspd.Lookup", restrictions={"namespace": TEST, "query_string": HANG})
        assert await client.code(whole) == NOT_ENOUGH_MEMORY
        assert await client.code(client.send("nspd.Monitor")) == NOT_ENOUGH_MEMORY
        ended = client.end(handle)
        assert (await client.result(ended))["cancelled"] == 3
        assert [await client.code(id) for id in waiting] == [CANCELLED] * 3


async def test_a_client_that_stops_reading() -> None:
    """Case 136: others are not delayed, memory is bounded; when it reads, all replies come."""
    async with open_house() as house:
        slow, other = house.connect(ALICE), house.connect(ALICE)
        slow.socket.stop_reading(room=4096)
        handle = slow.begin_query({"namespace": TEST, "query_string": "records=1000&size=10000"})
        await ticks()
        slow.socket.read_again()
        lookup = (await slow.result(handle))["lookup"]
        slow.socket.stop_reading(room=4096)
        waiting = [slow.next(lookup) for _ in range(1000)]
        await ticks(500)
        (link,) = [link for link in house.server.links if link.unsent]
        assert link.unsent < 300 * 1024
        assert house.router.users[ALICE].bytes < 800 * 1024
        assert await other.name(other.begin()) == "test-1"
        slow.socket.read_again()
        assert [await slow.code(id) for id in waiting] == [0] * 1000


@VIRTUAL_TIME
async def test_a_client_that_never_reads_again() -> None:
    """Case 136: after send_timeout it is hung up on, and its handles are freed."""
    async with open_house(limits=Limits(send_timeout=3)) as house:
        slow = house.connect()
        lookup = slow.begin("records=1000&size=10000")
        slow.socket.stop_reading(room=4096)
        for _ in range(1000):
            slow.next(lookup)
        slow.left = True
        await until(lambda: slow.socket.closed)
        assert house.router.lookups == 0


async def test_the_client_has_gone_when_its_reply_is_ready(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Case 137: nothing is raised or logged, the handle is freed, nothing is written later."""
    async with open_house() as house:
        client = house.connect()
        client.next(client.begin("gate=g"))
        await ticks()
        monkeypatch.setattr(client.socket, "gone", True)  # and nobody has told the daemon
        client.left = True
        frames = len(client.received)
        house.open("g")
        await until(lambda: client.socket.closed)
        assert len(client.received) == frames
        assert house.router.lookups == 0


@pytest.mark.parametrize(
    "bad",
    [b"[" * 100_000, b'{"jsonrpc":"2.0","id":1,"method":"x","params":{"a":' + b"[" * 100_000],
    ids=["bare", "in a member"],
)
async def test_a_hundred_thousand_brackets(bad: bytes) -> None:
    """Case 141: a parse error, and the connection lives on."""
    async with open_house() as house:
        client = house.connect()
        client.write_bytes(bad + b"\n")
        last = client.received[-1]
        assert (last["id"], last["error"]["code"]) == (None, PARSE_ERROR)
        assert await client.name(client.begin()) == "test-1"


@pytest.mark.parametrize("name", ["a\x00b", "\ufeffbom", "\U0001f5a8", "e\u0301", "a\nb", " "])
async def test_names_are_stored_and_returned_as_they_are(name: str) -> None:
    """Case 142: NUL, a byte-order mark and the like come back byte for byte."""
    async with open_house(RegistryProvider()) as house:
        client = house.connect()
        await client.result(client.register(name, "192.0.2.1"))
        query = {"namespace": REGISTRY, "service_instance_name": name}
        (record,) = (await client.result(client.send("nspd.Lookup", restrictions=query)))["results"]
        assert record["service_instance_name"] == name


@pytest.mark.parametrize("bytes_", [b"\xc3", b"\xed\xa0\x80", b"\\ud800", b"\xff"])
async def test_names_that_are_no_text(bytes_: bytes) -> None:
    """Case 142: truncated UTF-8 and lone surrogates are a parse error."""
    async with open_house(RegistryProvider()) as house:
        client = house.connect()
        sound = line(9, "NSPv2SetServiceEx", operation=0, registration={"comment": "NAME"})
        client.write_bytes(sound.replace(b"NAME", bytes_))
        last = client.received[-1]
        assert (last["id"], last["error"]["code"]) == (None, PARSE_ERROR)


async def test_handles_that_are_no_integer_or_too_large() -> None:
    """Case 143: text, true and 1.0 are -32602, any other integer 6; none is a neighbour's."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin(HANG)
        neighbours = [client.begin(HANG) for _ in range(3)]
        for wrong in (str(handle), True, float(handle), handle + 0.5):
            call = client.send("NSPv2LookupServiceEnd", lookup=wrong)
            assert await client.code(call) == INVALID_PARAMS
        for wrong in (handle + 2**64, 2**53 + 1, 2**63, 2**64, 10**400, -(10**30)):
            assert await client.code(client.end(wrong)) == INVALID_HANDLE
        for live in (handle, *neighbours):
            assert await client.code(client.end(live)) == 0


async def test_members_that_come_twice() -> None:
    """Case 144: the last of two handles is ended."""
    async with open_house() as house:
        client = house.connect()
        first, last = client.begin(), client.begin()
        client.asked.append("twice")
        client.write_bytes(
            b'{"jsonrpc":"2.0","id":"twice","method":"NSPv2LookupServiceEnd",'
            b'"params":{"lookup":%d,"lookup":%d}}\n' % (first, last)
        )
        assert await client.code("twice") == 0
        assert await client.name(first) == "test-1"
        assert await client.code(client.next(last)) == INVALID_HANDLE


async def test_a_name_in_another_normal_form() -> None:
    """Case 145: registered composed, looked up decomposed: not found."""
    async with open_house(RegistryProvider()) as house:
        client = house.connect()
        await client.result(client.register("caf\u00e9", "192.0.2.1"))
        query = {"namespace": REGISTRY, "service_instance_name": "cafe\u0301"}
        handle = (await client.result(client.begin_query(query)))["lookup"]
        assert await client.code(client.next(handle)) == NOT_FOUND


async def test_batches() -> None:
    """Case 146: an empty one is one error, rubbish one each, notifications alone nothing."""
    async with open_house() as house:
        client = house.connect()
        frames = len(client.received)
        client.write([])
        client.write([1, "x", None])
        client.write([STATUS, STATUS])
        empty, rubbish = client.received[frames:]
        assert empty["error"]["code"] == INVALID_REQUEST
        assert [error["error"]["code"] for error in rubbish] == [INVALID_REQUEST] * 3
        assert [error["id"] for error in rubbish] == [None] * 3


async def test_a_batch_is_answered_when_all_of_it_is_settled() -> None:
    """Case 146: by one array; End acts on a member of an unfinished batch as ever."""
    async with open_house() as house:
        client = house.connect()
        handle = client.begin(HANG)
        client.asked += ["next", "status"]
        call = {
            "jsonrpc": "2.0",
            "id": "next",
            "method": "NSPv2LookupServiceNextEx",
            "params": {"lookup": handle},
        }
        client.write([call, STATUS | {"id": "status"}])
        await ticks()
        assert client.told("status") is None
        client.end(handle)
        assert await client.code("next") == CANCELLED
        (batch,) = [message for message in client.received if isinstance(message, list)]
        assert {reply["id"] for reply in batch} == {"next", "status"}


async def test_a_batch_that_is_too_large() -> None:
    """Case 146: of a thousand calls all are carried out, of one more none."""
    async with open_house() as house:
        client = house.connect()
        client.asked += [f"b{n}" for n in range(1000)]
        client.write([STATUS | {"id": f"b{n}"} for n in range(1000)])
        await until(lambda: not client.open_calls)
        frames = len(client.received)
        client.write([STATUS | {"id": f"c{n}"} for n in range(1001)])
        (refusal,) = client.received[frames:]
        assert refusal["error"]["code"] == INVALID_REQUEST


async def test_bytes_after_the_last_line() -> None:
    """Case 42: one -32700, once all else is answered, and the connection ends."""
    async with open_house() as house:
        client = house.connect(ADMIN)
        client.write_bytes(b'{"jsonrpc":')
        client.socket.end_input()
        await until(lambda: client.socket.closed)
        assert client.received[-1]["error"]["code"] == PARSE_ERROR


async def test_mutated_sessions() -> None:
    """Case 149, in small: the daemon stays whole, and a lookup still works."""
    async with open_house() as house:
        for seed in range(150):
            client = house.connect(startup=False)
            client.write_bytes(damaged(random.Random(seed), SESSION))
            await ticks(3)
            # What it asked is not known, so its ledger is not kept.
            client.check_ledger = lambda: None  # type: ignore[method-assign]
            client.vanish()
        sound: Client = house.connect()
        assert await sound.name(sound.begin()) == "test-1"


async def test_the_gate_is_only_there_with_its_provider() -> None:
    """Case 123: while the test namespace is off, its methods are unknown, whatever the params."""
    async with open_house(RegistryProvider()) as house:
        client = house.connect()
        for method in management.OF_THE_TEST_NAMESPACE:
            assert await client.code(client.send(method, rubbish=1)) == NO_METHOD


@VIRTUAL_TIME
async def test_a_discarding_connection_ends_by_itself() -> None:
    """Case 122: input is discarded for a second, and then the daemon hangs up."""
    async with open_house(limits=Limits(max_message=100)) as house:
        client = house.connect()
        begun = anyio.current_time()
        client.write_bytes(b"x" * 200)
        await until(lambda: client.socket.closed)
        assert anyio.current_time() - begun == pytest.approx(1, abs=0.01)
