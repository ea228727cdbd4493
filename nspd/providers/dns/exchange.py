"""Asking the configured servers: from a question to a checked DNS message.

Time limits. One attempt takes `timeout` seconds at most, in which every server
has an equal share of the time that is left when its turn comes; there are
`attempts` of them. So all together take ``timeout * attempts`` at most, however
many servers there are. A server that answers with an error is not asked again
for the same question; one that is silent or out of reach is, in the next
attempt. A server that drops what it does not know by silence is not asked
without EDNS (DNS flag day 2019).
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random, SystemRandom

import anyio
import dns.message
import dns.name
import dns.rcode

from nspd.core.story import Story
from nspd.providers.dns.attempts import Asking, Refused, Silent
from nspd.providers.dns.line import Line
from nspd.providers.dns.messages import Query, is_referral, lacks_edns
from nspd.providers.dns.servers import Health, Server
from nspd.providers.dns.transport import Exchange, Truncated, Unreachable

TIMEOUT = 5.0
"""Default of the setting ``timeout``, as in resolv.conf(5)."""

ATTEMPTS = 2
"""Default of the setting ``attempts``, as in resolv.conf(5)."""

IN_FLIGHT = 4096
"""Questions under way at once; those beyond wait for their turn, within their time limits."""

READERS = 1
"""Threads that read long replies; more would only compete with the event loop."""

EDNS_MEMORY = 3600.0
"""Seconds for which a server that does not know EDNS is asked without."""

_GOOD = frozenset({dns.rcode.NOERROR, dns.rcode.NXDOMAIN})


class Upstream:
    """The servers that answer our questions. It holds no socket between questions."""

    def __init__(
        self,
        *,
        servers: Sequence[Server],
        timeout: float = TIMEOUT,
        attempts: int = ATTEMPTS,
        rotate: bool = False,
        use_vc: bool = False,
        random: Random | None = None,
    ) -> None:
        """Make it; nothing is asked yet.

        Args:
            servers: at least one, in order of preference.
            timeout: seconds that one attempt takes at most.
            attempts: how often all servers are asked, one after the other.
            rotate: begin with another server for each question.
            use_vc: ask over TCP at once.
            random: where query ids come from; by default the kernel.

        Raises:
            ValueError: there is no server, or no time to ask one.
        """
        self._random = random if random is not None else SystemRandom()
        self._health = Health(anyio.current_time)
        self._without_edns: dict[Server, float] = {}
        self._slots = anyio.Semaphore(IN_FLIGHT, fast_acquire=True)
        self._readers = anyio.CapacityLimiter(READERS)
        self._turn = 0
        self.change(
            servers=servers, timeout=timeout, attempts=attempts, rotate=rotate, use_vc=use_vc
        )

    def change(
        self,
        *,
        servers: Sequence[Server],
        timeout: float = TIMEOUT,
        attempts: int = ATTEMPTS,
        rotate: bool = False,
        use_vc: bool = False,
    ) -> None:
        """Take over another configuration; questions under way keep the one they began with.

        Raises:
            ValueError: as at the beginning.
        """
        if not servers:
            raise ValueError("there is no DNS server to ask")
        if not timeout > 0 or attempts < 1:
            raise ValueError("timeout and attempts leave no time to ask a DNS server")
        self._servers: Sequence[Server] = tuple(dict.fromkeys(servers))
        self.timeout = timeout
        self.attempts = attempts
        self._rotate = rotate
        self._use_vc = use_vc
        self._health.keep(self._servers)
        self._without_edns = {
            each: until for each, until in self._without_edns.items() if each in self._servers
        }

    @property
    def servers(self) -> Sequence[Server]:
        """The servers, in the order in which the next question would ask them."""
        servers = self._servers
        if self._rotate:
            start = self._turn % len(servers)
            servers = (*servers[start:], *servers[:start])
        return self._health.order(servers)

    async def ask(
        self,
        name: dns.name.Name,
        rdtype: int,
        *,
        line: Line,
        want_dnssec: bool = False,
        story: Story | None = None,
        deadline: float | None = None,
    ) -> dns.message.Message:
        """Ask the servers one after the other, until one answers.

        Args:
            name: an absolute name.
            rdtype: the record type, such as ``dns.rdatatype.A``.
            line: has the sockets; hang it up to cancel the question.
            want_dnssec: ask the server to say by the AD bit whether it has
                validated the answer. Whether to trust the bit is the caller's.
            story: where to note each attempt.
            deadline: the time, on anyio's clock, when the caller has no more use
                for an answer.

        Returns:
            A message that answers this question, with rcode NOERROR or NXDOMAIN.
            It is not a referral, and not truncated.

        Raises:
            TryAgain: a server answered, but with an error, and no other had an
                answer (11002).
            TimedOut: no server answered in time (10060); its `setting` is
                "timeout", or "deadline" if that was the shorter.
            NetworkDown: no server can be reached (10050).
            NoBuffers: this process has no socket left (10055).
            HungUp: somebody has hung up on `line`.
        """
        self._turn += 1
        asking = Asking(
            name,
            rdtype,
            want_dnssec=want_dnssec,
            story=story,
            patience=self.timeout * self.attempts,
            deadline=deadline,
            line=line,
        )
        try:
            self._slots.acquire_nowait()
        except anyio.WouldBlock:
            with line.interrupting(), anyio.CancelScope(deadline=asking.limit) as scope:
                await self._slots.acquire()
            if scope.cancelled_caught:
                raise asking.timed_out(f"{IN_FLIGHT} other questions are under way") from None
            asking.began = anyio.current_time()
        try:
            reply = await self._ask_all(asking)
        finally:
            self._slots.release()
        if reply is None:
            raise asking.error()
        return reply

    async def _ask_all(self, asking: Asking) -> dns.message.Message | None:
        timeout = self.timeout
        servers = self.servers
        now = asking.began
        for _ in range(self.attempts):
            until = min(asking.limit, now + timeout)
            left = [each for each in servers if not isinstance(asking.failures.get(each), Refused)]
            for place, server in enumerate(left):
                if now >= until:
                    break
                try:
                    return await self._ask_one(
                        asking, server, now + (until - now) / (len(left) - place)
                    )
                except (Silent, Refused, Unreachable) as failure:
                    asking.failures[server] = failure
                    now = anyio.current_time()
        return None

    async def _ask_one(self, asking: Asking, server: Server, until: float) -> dns.message.Message:
        edns = self._knows_edns(server)
        reply = await self._transfer(asking, server, until, edns=edns)
        rcode = reply.rcode()
        if edns and rcode not in _GOOD and lacks_edns(reply):
            self._without_edns[server] = anyio.current_time() + EDNS_MEMORY
            reply = await self._transfer(asking, server, until, edns=False)
            rcode = reply.rcode()
        if rcode not in _GOOD:
            raise Refused(dns.rcode.to_text(rcode))
        if is_referral(reply):
            raise Refused("a referral instead of an answer")
        return reply

    def _knows_edns(self, server: Server) -> bool:
        until = self._without_edns.get(server)
        if until is None:
            return True
        if anyio.current_time() < until:
            return False
        del self._without_edns[server]
        return True

    async def _transfer(
        self, asking: Asking, server: Server, until: float, *, edns: bool
    ) -> dns.message.Message:
        query = Query(
            asking.name,
            asking.rdtype,
            id=self._random.getrandbits(16),
            edns=edns,
            want_dnssec=asking.want_dnssec,
        )
        first = Exchange(
            server, query, "tcp" if self._use_vc else "udp", self._readers, asking.line
        )
        try:
            reply = await asking.timed(first, until)
        except Truncated:
            self._health.answered(server)
        except (Silent, Unreachable) as failure:
            # That the caller is in a hurry says nothing of the server.
            if isinstance(failure, Unreachable) or not asking.is_hurried:
                self._health.failed(server)
            raise
        else:
            self._health.answered(server)
            return reply
        try:
            again = Exchange(server, query, "tcp", self._readers, asking.line)
            return await asking.timed(again, until)
        except Unreachable as error:
            # It is there: it has answered over UDP.
            raise Refused(f"truncated, and over TCP: {error}") from error
