"""The transcripts in docs/protocol.md, replayed against a real daemon."""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path
from typing import Any

import pytest

from nspd.cli._demo_daemon import DemoDaemon

DOCUMENT = Path(__file__).parents[2] / "docs" / "protocol.md"
TRANSCRIPTS = re.findall(r"^```transcript\n(.*?)^```", DOCUMENT.read_text("utf-8"), re.M | re.S)

DEADLINE = 20.0
LEFT_OUT = "…"


def read(line: str) -> Any:
    """A line of a transcript as JSON, with what is left out as strings."""
    line = line.replace("[…]", '"…"').replace("{…}", '"…"')
    return json.loads(line.replace(",…}", ',"…":"…"}').replace(":…", ':"…"'))


def check(shown: Any, actual: Any, handles: dict[int, int]) -> None:
    """Hold a value against the one that the document shows; learn handles from it."""
    if shown == LEFT_OUT:
        return
    if isinstance(shown, dict):
        assert isinstance(actual, dict)
        if LEFT_OUT in shown:
            assert actual.keys() >= shown.keys() - {LEFT_OUT}
        else:
            assert actual.keys() == shown.keys()
        for key in shown.keys() - {LEFT_OUT}:
            if key == "lookup":
                assert handles.setdefault(shown[key], actual[key]) == actual[key]
            else:
                check(shown[key], actual[key], handles)
    elif isinstance(shown, list):
        assert isinstance(actual, list)
        assert len(actual) == len(shown)
        for one, other in zip(shown, actual, strict=True):
            check(one, other, handles)
    else:
        assert (type(actual), actual) == (type(shown), shown)


def sent(line: str, handles: dict[int, int]) -> bytes:
    """What to send for a line of a transcript: the same, with the daemon's own handles."""
    for shown, actual in handles.items():
        line = line.replace(f'"lookup":{shown}', f'"lookup":{actual}')
    return line.encode() + b"\n"


@pytest.mark.parametrize("transcript", TRANSCRIPTS, ids=range(1, len(TRANSCRIPTS) + 1))
def test_transcript(transcript: str, demo_daemon: DemoDaemon) -> None:
    """Each line sent gets the lines shown, in that order, and nothing else is said."""
    handles: dict[int, int] = {}
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(DEADLINE)
        client.connect(demo_daemon.socket)
        replies = client.makefile("rb")
        for line in transcript.splitlines():
            direction, text = line[:3], line[3:]
            if direction == "-> ":
                client.sendall(sent(text, handles))
            else:
                assert direction == "<- "
                check(read(text), json.loads(replies.readline()), handles)
        client.shutdown(socket.SHUT_WR)
        assert replies.read() == b""


def test_there_are_transcripts() -> None:
    """The document has them where this test looks for them."""
    assert len(TRANSCRIPTS) == DOCUMENT.read_text("utf-8").count("```transcript") > 0


@pytest.mark.parametrize(
    ("shown", "actual"),
    [
        ('{"a":1}', {"a": 2}),
        ('{"a":1}', {"a": True}),
        ('{"a":1}', {"a": 1, "b": 2}),
        ('{"a":1,…}', {"b": 1}),
        ('{"a":[{…}]}', {"a": []}),
        ('{"lookup":1,"c":{"lookup":1}}', {"lookup": 5, "c": {"lookup": 6}}),
    ],
)
def test_what_differs_is_noticed(shown: str, actual: Any) -> None:
    """The comparison lets nothing pass but what is left out."""
    with pytest.raises(AssertionError):
        check(read(shown), actual, {})
