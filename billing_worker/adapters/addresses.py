"""The addresses that an event may be sent to, and connections to exactly the checked address.

The receiver's URL must not reach private targets: this host, its network, the cloud's metadata. A name is resolved
once, all its addresses are checked, and the socket connects to one of them. So a name that resolves differently the
next time (DNS rebinding) has no effect.
"""

import socket
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TookTooLong
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

import httpcore

Resolve = Callable[[str, int], Sequence[str]]
"""All addresses of a host, as text. Raises OSError."""

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_6TO4 = IPv6Network("2002::/16")
_LOW_32 = 2**32 - 1

NEVER = tuple(
    ip_network(each)
    for each in ("168.63.129.16/32", "192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2001:db8::/32", "3fff::/20")
)
"""Azure's metadata, protocol assignments with Oracle's metadata, relays, tunnels (Teredo) and documentation: some
Python releases call them public. The metadata of other clouds is in private or link-local ranges."""

MOST_ADDRESSES = 16
RESOLVERS = 4
"""Names looked up at the same time. A hanging resolver holds one of these, not the delivery."""


class Forbidden(Exception):
    """An address that must not be reached; its text names the address and the reason."""


def require_public(address: str) -> None:
    """Raise Forbidden for an address outside the public internet, in any notation."""
    try:
        parsed = ip_address(address)
    except ValueError as error:
        raise Forbidden(f"{address} is no address") from error
    if isinstance(parsed, IPv4Address):
        _require_public_v4(parsed, address)
        return
    if parsed.ipv4_mapped is not None:
        _require_public_v4(parsed.ipv4_mapped, address)
    elif parsed in _NAT64:
        _require_public_v4(IPv4Address(int(parsed) & _LOW_32), address)
    elif parsed in _6TO4:
        _require_public_v4(IPv4Address(int(parsed) >> 80 & _LOW_32), address)
    elif parsed not in _GLOBAL_UNICAST or not _is_public(parsed):
        raise Forbidden(f"{address} is not an address of the public internet")


def _require_public_v4(inner: IPv4Address, address: str) -> None:
    if not _is_public(inner):
        raise Forbidden(f"{address} is not an address of the public internet")


def _is_public(address: IPv4Address | IPv6Address) -> bool:
    never = any(address in network for network in NEVER)
    return address.is_global and not (never or address.is_multicast or address.is_reserved)


def resolve_by_system(host: str, port: int) -> Sequence[str]:
    """All addresses of a host, by the operating system."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class CheckedSockets(httpcore.NetworkBackend):
    """Connects only to checked addresses."""

    def __init__(self, resolve: Resolve = resolve_by_system, *, allow_private: bool = False) -> None:
        self._resolve = resolve
        self._allow_private = allow_private
        self._sockets = httpcore.SyncBackend()
        self._lookups = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="resolve")

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address that answers. Raises Forbidden if any of them is not public."""
        addresses = self._addresses(host, port, timeout)
        if not self._allow_private:
            for address in addresses:
                require_public(address)
        trouble: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in addresses:
            # Try them in turn: each gets an equal part of the time.
            part = None if timeout is None else timeout / len(addresses)
            try:
                return self._sockets.connect_tcp(address, port, part, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                trouble = error
        raise trouble

    def _addresses(self, host: str, port: int, timeout: float | None) -> Sequence[str]:
        lookup = self._lookups.submit(self._resolve, host, port)
        try:
            return list(lookup.result(timeout))[:MOST_ADDRESSES]
        except TookTooLong as error:
            lookup.cancel()
            raise httpcore.ConnectTimeout("its name could not be resolved in time") from error
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError("its name could not be resolved") from error
