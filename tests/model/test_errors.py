"""Error numbers and their classes."""

from __future__ import annotations

import copy
import pickle

import pytest

from nspd.model import errors
from nspd.model.errors import CLASSES, NAMES, WSAError, error_for, error_name


@pytest.mark.parametrize(("code", "cls"), CLASSES.items())
def test_every_code_gives_its_class(code: int, cls: type[WSAError]) -> None:
    """The class and the number lead to each other, and the number has a name."""
    error = error_for(code, "Why.", {"setting": "x"})
    assert type(error) is cls
    assert cls("Why.").code == code
    assert error.name == NAMES[code]
    assert str(error) == f"{NAMES[code]} ({code}): Why."
    assert error.data == {"setting": "x"}


def test_numbers_that_speak_of_the_end() -> None:
    """C14: the numbers that the daemon sends are 10110 and 10111."""
    assert errors.NoMoreResults.code == 10110
    assert errors.LookupCancelled.code == 10111


def test_a_code_without_class_is_a_plain_error() -> None:
    """It keeps its number, and has a name made of it."""
    error = error_for(12345)
    assert type(error) is WSAError
    assert (error.code, error.name, str(error)) == (12345, "WSA_12345", "WSA_12345 (12345)")
    assert error_name(10044) == "WSAESOCKTNOSUPPORT"


def test_one_code_has_one_class() -> None:
    """A second class for a code is refused, and the first one stays."""
    with pytest.raises(TypeError, match="both claim error 6"):

        class Another(WSAError, code=6):
            pass

    assert CLASSES[6] is errors.InvalidHandle


def test_a_class_of_ones_own_needs_no_code() -> None:
    """It has that of the class it is made from."""

    class Mine(errors.TimedOut):
        pass

    assert Mine().code == errors.WSAETIMEDOUT
    assert type(error_for(errors.WSAETIMEDOUT)) is errors.TimedOut


@pytest.mark.parametrize("code", [10014, 12345])
def test_errors_survive_a_copy_and_another_process(code: int) -> None:
    """Number, detail and data all do."""
    error = error_for(code, "Why.", {"buffer_length": 9})
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(again) is type(error)
        assert (again.code, again.detail, again.data) == (code, "Why.", {"buffer_length": 9})


def test_what_the_data_says() -> None:
    """The size needed and the verdicts can be asked for, and are empty where not given."""
    needed = error_for(10014, data={"buffer_length": 120})
    assert isinstance(needed, errors.BufferTooSmall)
    assert needed.needed == 120
    assert errors.BufferTooSmall().needed == 0
    assert error_for(10110, data={"verdicts": [1]}).verdicts == [1]
    assert error_for(10110).verdicts == []


def test_the_setting_that_fired_goes_along() -> None:
    """An error keeps the name of the setting, also over a pickle and as another object."""
    error = errors.TimedOut("no server answered", setting="attempts")
    for same in (pickle.loads(pickle.dumps(error)), errors.error_for(10060, setting="attempts")):
        assert type(same) is errors.TimedOut
        assert same.setting == "attempts"
    assert errors.TimedOut().setting is None
