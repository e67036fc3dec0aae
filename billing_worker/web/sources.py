"""Where a webhook comes from: the peer itself, or, behind trusted proxies, the address that they vouch for.

An address is no proof, and a webhook is only a hint whoever sends it. A list of addresses keeps strangers' hints out of
the inbox, no more.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import Scope

from billing_worker.config import Settings
from billing_worker.domain.errors import SettingsInvalid

DIRECT = "none"
"""What BILLING_TRUSTED_PROXIES says where senders reach the receiver without a proxy."""

PORTONE_ADDRESSES = ("52.78.100.19", "52.78.48.223", "52.78.5.241")
"""From which PortOne's documentation says that its webhooks come."""

LONGEST_CHAIN = 32
"""Addresses in X-Forwarded-For; real chains have two or three, and 16 KiB of header would hold thousands."""

_HEADER = "x-forwarded-for"
_WITH_PORT = re.compile(r"\[(?P<six>[0-9A-Fa-f:.]+)\](?::\d{1,5})?|(?P<four>[0-9.]+):\d{1,5}", re.ASCII)

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Sources:
    """The addresses from which webhooks are taken; none named: any, since a webhook is only a hint."""

    networks: Sequence[Network]
    proxies: Sequence[Network] = ()

    @classmethod
    def of(cls, settings: Settings) -> "Sources":
        """Raises SettingsInvalid for what is no address or network, and for a list that nobody said how to apply."""
        allowed = _networks("BILLING_WEBHOOK_ALLOWED_IPS", settings.webhook_allowed_ips)
        named = settings.trusted_proxies
        proxies = [] if named == (DIRECT,) else _networks("BILLING_TRUSTED_PROXIES", named)
        if allowed and not named:
            # Behind a proxy that nobody named each sender has the proxy's address: all are refused, or all let in.
            way_out = f"set it to your proxy's addresses, or to {DIRECT!r} where senders reach the receiver directly"
            raise SettingsInvalid(f"BILLING_TRUSTED_PROXIES: is needed by BILLING_WEBHOOK_ALLOWED_IPS; {way_out}")
        return cls(allowed, proxies)

    def allow(self, scope: Scope) -> bool:
        """Whether whoever sent this request may send webhooks."""
        if not self.networks:
            return True
        return _within(self.sender(scope), self.networks)

    def sender(self, scope: Scope) -> Address | None:
        """The sender's address; None where it cannot be told.

        A header is read only from a trusted proxy, and in it only what trusted proxies wrote: from the right, up to the
        first address that is none of theirs. What stands left of that, the sender may have made up.
        """
        peer = address_of(peer_of(scope))
        if not _within(peer, self.proxies):
            return peer
        for part in _from_the_right(scope):
            address = _forwarded(part)
            if address is None or not _within(address, self.proxies):
                return address
        return None


def peer_of(scope: Scope) -> str | None:
    """The address at the other end of the connection. Headers that claim another one are not believed."""
    client = scope.get("client")
    return client[0] if client else None


def address_of(text: str | None) -> Address | None:
    """The address that a text spells, or None."""
    try:
        address = ip_address(text or "")
    except ValueError:
        return None
    # What a dual-stack socket shows of an IPv4 peer: ::ffff:52.78.100.19
    return getattr(address, "ipv4_mapped", None) or address


def _within(address: Address | None, networks: Sequence[Network]) -> bool:
    return address is not None and any(address in network for network in networks)


def _from_the_right(scope: Scope) -> Iterator[str]:
    """The addresses in the header, the last one first; several headers count as one, in their order."""
    chain = ",".join(Headers(scope=scope).getlist(_HEADER)).split(",")
    return (part.strip(" \t") for part in reversed(chain[-LONGEST_CHAIN:]))


def _forwarded(text: str) -> Address | None:
    """One address of the chain, as proxies write it: some add the port."""
    found = _WITH_PORT.fullmatch(text)
    return address_of((found["six"] or found["four"]) if found else text)


def _networks(variable: str, texts: Sequence[str]) -> list[Network]:
    try:
        return [_unmapped(ip_network(text)) for text in texts]
    except ValueError as error:
        raise SettingsInvalid(f"{variable}: {error}; give addresses or networks, e.g. 10.0.0.5,10.1.0.0/16") from error


def _unmapped(network: Network) -> Network:
    """An IPv4 network that was written as IPv6, as the addresses that it is compared with are written."""
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    whole = 96
    if mapped is None or network.prefixlen < whole:
        return network
    return ip_network((mapped, network.prefixlen - whole))
