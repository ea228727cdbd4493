"""SetServiceEx: the table of its six rows, entirely or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nspd.core.provider import Change
from nspd.model import errors
from nspd.model.errors import WSAError
from nspd.model.flags import ServiceOperation
from nspd.model.queryset import STREAM, TCP, CsAddr, SocketAddress
from nspd.testing.bench import Bench
from nspd.testing.violation import ContractViolation, require

if TYPE_CHECKING:
    from nspd.testing.provider_contract import ProviderContract

_ALICE, _BOB = 60_001, 60_002


class _Register:
    """One provider, and the names that are registered with it."""

    def __init__(self, contract: ProviderContract, bench: Bench, name: str) -> None:
        self._contract = contract
        self._bench = bench
        self._name = name

    async def change(self, operation: str, *ports: int, **options: Any) -> int:
        """One change; the code of its error, or 0."""
        name = options.pop("name", self._name)
        registration = self._contract.registration(name, tuple(map(address, ports)) or None)
        change = Change(
            registration=registration,
            operation=int(ServiceOperation[operation]),
            uid=options.pop("uid", _ALICE),
            **options,
        )
        try:
            await self._bench.provider.set_service(change)
        except WSAError as error:
            return error.code
        except Exception as error:
            raise ContractViolation(f"set_service raised {error!r}, and no WSAError") from error
        return 0

    async def ports(self, *, uid: int = _ALICE, name: str | None = None) -> set[int]:
        """The ports of the object's addresses, as a lookup finds them."""
        found = await self._bench.find(self._contract.registered(name or self._name, uid))
        sides = [
            side
            for record in found.records
            for each in record.addresses or ()
            for side in (each.remote, each.local)
        ]
        return {side.port for side in sides if side is not None and side.port is not None}

    async def must(self, ports: set[int], after: str, **options: Any) -> None:
        """The object has these addresses."""
        found = await self.ports(**options)
        require(found == ports, f"after {after} the ports are {sorted(found)}, not {sorted(ports)}")


def address(port: int) -> CsAddr:
    """A service's address."""
    remote = SocketAddress.inet("192.0.2.1", port)
    return CsAddr(remote=remote, socket_type=STREAM, protocol=TCP)


async def keeps_the_table(contract: ProviderContract) -> None:
    """Each row of the table, by what lookups find afterwards."""
    async with contract.running() as bench:
        if not bench.provider.registers:
            return
        register = _Register(contract, bench, contract.new_name())
        for operation in ("DEREGISTER", "DELETE"):
            for multiple in (False, True):
                code = await register.change(operation, 1, multiple=multiple)
                what = f"{operation} of what is not there"
                require(code == errors.WSASERVICE_NOT_FOUND, f"{what} is {code}, not 10108")
        rows: list[tuple[str, tuple[int, ...], bool, set[int]]] = [
            ("REGISTER", (1, 2), False, {1, 2}),
            ("REGISTER", (3,), False, {3}),
            ("REGISTER", (1,), True, {1, 3}),
            ("REGISTER", (1,), True, {1, 3}),
            ("DEREGISTER", (3,), True, {1}),
            ("DEREGISTER", (), False, set()),
            ("REGISTER", (4, 5), False, {4, 5}),
            ("DELETE", (4,), True, {5}),
            ("DELETE", (), False, set()),
        ]
        for operation, ports, multiple, left in rows:
            what = f"{operation} of {ports}{' with MULTIPLE' if multiple else ''}"
            code = await register.change(operation, *ports, multiple=multiple)
            require(code == 0, f"{what} is refused with {code}")
            await register.must(left, what)
        code = await register.change("DELETE")
        require(code == errors.WSASERVICE_NOT_FOUND, f"a second DELETE is {code}, not 10108")


async def all_or_nothing(contract: ProviderContract) -> None:
    """A change that fails has changed nothing; one that is past the limit fails."""
    async with contract.running() as bench:
        if not bench.provider.registers:
            return
        register = _Register(contract, bench, contract.new_name())
        require(await register.change("REGISTER", 1, 2) == 0, "REGISTER is refused")
        code = await register.change("REGISTER", 9, limit=1, name=contract.new_name())
        require(code == errors.WSA_NOT_ENOUGH_MEMORY, f"REGISTER past the limit is {code}, not 8")
        code = await register.change("REGISTER", 1, 2, 3, limit=1)
        require(code == 0, f"replacing an object at the limit is refused with {code}")
        await register.must({1, 2, 3}, "replacing an object")
        for change in contract.refused_changes():
            before = await register.ports(name=change.registration.service_instance_name)
            try:
                await bench.provider.set_service(change)
            except WSAError:
                after = await register.ports(name=change.registration.service_instance_name)
                require(before == after, "a change that failed has changed something")
            else:
                require(False, "a change of refused_changes() was made")
        await register.must({1, 2, 3}, "changes that failed")
        await register.change("DELETE")


async def keeps_users_apart(contract: ProviderContract) -> None:
    """What one user registers for himself, another neither finds nor changes."""
    async with contract.running() as bench:
        if not bench.provider.registers:
            return
        name = contract.new_name()
        register = _Register(contract, bench, name)
        await register.change("REGISTER", 1)
        await register.must(set(), "another's REGISTER", uid=_BOB)
        code = await register.change("DELETE", uid=_BOB)
        require(code == errors.WSASERVICE_NOT_FOUND, f"DELETE of another's is {code}, not 10108")
        await register.must({1}, "another's DELETE")
        await register.change("REGISTER", 2, machine=True)
        await register.must({2}, "REGISTER for the machine", uid=_BOB)
        code = await register.change("DELETE", machine=True, uid=_BOB)
        require(code == errors.WSAEACCES, f"DELETE of another's machine name is {code}, not 10013")
        code = await register.change("DELETE", machine=True, uid=_BOB, administrator=True)
        require(code == 0, f"an administrator's DELETE is refused with {code}")
        await register.change("DELETE")


async def lets_go_with_the_session(contract: ProviderContract) -> None:
    """What is bound to a session goes with it, and nothing else."""
    async with contract.running() as bench:
        if not bench.provider.registers:
            return
        bound, kept = (_Register(contract, bench, contract.new_name()) for _ in range(2))
        await bound.change("REGISTER", 1, session=7)
        await kept.change("REGISTER", 2, session=8)
        bench.provider.session_ended(7)
        await bound.must(set(), "the end of its session")
        await kept.must({2}, "the end of another session")
        bench.provider.session_ended(8)
