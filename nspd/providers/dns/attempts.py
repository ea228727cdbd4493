"""One question's attempts: their time, how each ended, and the error if none was answered."""

from __future__ import annotations

import time

import anyio
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype

from nspd.core.story import Story
from nspd.model import errors
from nspd.providers.dns.line import Line
from nspd.providers.dns.messages import Malformed
from nspd.providers.dns.servers import Server
from nspd.providers.dns.transport import BrokenOff, Exchange, Truncated, Unreachable


class Silent(Exception):
    """No answer within the server's share of the time."""


class Refused(Exception):
    """The server answered that it has no answer, or what is none."""


Failure = Silent | Refused | Unreachable
"""How one server failed at one question."""


class Asking:
    """One question that is being asked."""

    __slots__ = (
        "_story",
        "began",
        "failures",
        "is_hurried",
        "limit",
        "line",
        "name",
        "rdtype",
        "want_dnssec",
    )

    def __init__(
        self,
        name: dns.name.Name,
        rdtype: int,
        *,
        want_dnssec: bool,
        story: Story | None,
        patience: float,
        deadline: float | None,
        line: Line,
    ) -> None:
        """Begin; the time runs from now.

        Args:
            name: an absolute name.
            rdtype: the record type.
            want_dnssec: whether the AD bit is asked for.
            story: where to note each attempt.
            patience: seconds that all attempts together may take.
            deadline: the caller's own limit, on anyio's clock.
            line: has the sockets.
        """
        self.name = name
        self.rdtype = rdtype
        self.want_dnssec = want_dnssec
        self._story = story
        self.line = line
        """Has the socket of the attempt under way."""
        self.began = anyio.current_time()
        """When its first attempt begins, on anyio's clock."""
        self.limit = self.began + patience
        """When to give up, on anyio's clock."""
        self.is_hurried = deadline is not None and deadline <= self.limit
        """Whether `limit` is the caller's deadline, and not due to the settings."""
        if deadline is not None:
            self.limit = min(self.limit, deadline)
        self.failures: dict[Server, Failure] = {}
        """How each server failed last."""

    async def timed(self, exchange: Exchange, until: float) -> dns.message.Message:
        """One message there and one back; noted in the story, however it ends.

        Args:
            exchange: what to do.
            until: when to stop waiting, on anyio's clock.

        Raises:
            Silent: no answer came by then.
            Refused: what came is no answer.
            Truncated, Unreachable, NoBuffers, HungUp: as the exchange says.
        """
        began = time.monotonic()
        outcome = "cancelled"
        self._note("sent", exchange)
        try:
            with anyio.CancelScope(deadline=until):
                reply = await exchange.run()
                if self._story is not None:
                    outcome = dns.rcode.to_text(reply.rcode())
                return reply
            outcome = "timed out"
            raise Silent("no answer")
        except Truncated:
            outcome = "truncated"
            raise
        except Unreachable as error:
            outcome = f"unreachable: {error}"
            raise
        except (BrokenOff, Malformed) as error:
            outcome = f"broken: {error}"
            raise Refused(str(error)) from error
        except errors.NoBuffers:
            outcome = "no socket"
            raise
        finally:
            elapsed = time.monotonic() - began
            self._note(
                "attempt", exchange, outcome=outcome, dropped=exchange.dropped, elapsed=elapsed
            )

    def _note(self, event: str, exchange: Exchange, **facts: str | float) -> None:
        if self._story is not None:
            self._story.note(
                event,
                server=str(exchange.server),
                transport=exchange.transport,
                name=self.name.to_text(omit_final_dot=True),
                type=dns.rdatatype.to_text(dns.rdatatype.RdataType.make(self.rdtype)),
                **facts,
            )

    def error(self) -> errors.WSAError:
        """The error for a question that no server has answered."""
        detail = "; ".join(f"{server}: {failure}" for server, failure in self.failures.items())
        kinds = {type(failure) for failure in self.failures.values()}
        if self.is_hurried and anyio.current_time() >= self.limit:
            return self.timed_out(detail)
        if Refused in kinds:
            return errors.TryAgain(detail)
        if Silent in kinds:
            return self.timed_out(detail)
        return errors.NetworkDown(detail)

    def timed_out(self, detail: str) -> errors.TimedOut:
        """The error for having reached `limit`; it names what set it."""
        return errors.TimedOut(detail, setting="deadline" if self.is_hurried else "timeout")
