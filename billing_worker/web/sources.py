"""The source of a webhook: the peer or, behind trusted proxies, the address that they vouch for.

An address is no proof, and a webhook from any sender is only a hint. A list of addresses only keeps foreign hints out
of the inbox.
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
"""The value of BILLING_TRUSTED_PROXIES if senders reach the receiver without a proxy."""

PORTONE_ADDRESSES = ("52.78.100.19", "52.78.48.223", "52.78.5.241")
"""The sources of PortOne's webhooks, by its documentation."""

LONGEST_CHAIN = 32
"""Addresses in X-Forwarded-For; real chains have two or three, and 16 KiB of header would hold thousands."""

_HEADER = "x-forwarded-for"
_PROTOCOL = "x-forwarded-proto"
_FORWARDED = (_HEADER, _PROTOCOL, "forwarded", "via", "x-real-ip")
_WITH_PORT = re.compile(r"\[(?P<six>[0-9A-Fa-f:.]+)\](?::\d{1,5})?|(?P<four>[0-9.]+):\d{1,5}", re.ASCII)

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Sources:
    """The addresses whose webhooks are accepted. An empty list accepts any, since a webhook is only a hint."""

    networks: Sequence[Network]
    proxies: Sequence[Network] = ()

    @classmethod
    def of(cls, settings: Settings) -> "Sources":
        """Raises SettingsInvalid for an invalid address or network, and for a list without BILLING_TRUSTED_PROXIES."""
        allowed = _networks("BILLING_WEBHOOK_ALLOWED_IPS", settings.webhook_allowed_ips)
        named = settings.trusted_proxies
        proxies = [] if named == (DIRECT,) else _networks("BILLING_TRUSTED_PROXIES", named)
        if allowed and not named:
            # Behind an unnamed proxy every sender has the proxy's address: all are refused, or all accepted.
            way_out = f"set it to your proxy's addresses, or to {DIRECT!r} where senders reach the receiver directly"
            raise SettingsInvalid(f"BILLING_TRUSTED_PROXIES: is needed by BILLING_WEBHOOK_ALLOWED_IPS; {way_out}")
        return cls(allowed, proxies)

    def allow(self, scope: Scope) -> bool:
        """Whether the sender of this request may send webhooks."""
        if not self.networks:
            return True
        return _within(self.sender(scope), self.networks)

    def sender(self, scope: Scope) -> Address | None:
        """The sender's address; None if it is unknown.

        A header is read only from a trusted proxy, and only the part that trusted proxies wrote: from the right, up to
        the first other address. The sender may have invented everything left of it.
        """
        peer = address_of(peer_of(scope))
        if not _within(peer, self.proxies):
            return peer
        for part in _from_the_right(scope):
            address = _forwarded(part)
            if address is None or not _within(address, self.proxies):
                return address
        return None

    def came_privately(self, scope: Scope) -> bool:
        """Whether this request could not be read on its way: it came over TLS all the way, or from this machine.

        `X-Forwarded-Proto` counts only from a trusted proxy, and each of its words must be https. A request from this
        machine that a proxy forwarded (by its headers) came from elsewhere, and no trusted proxy says how.
        """
        peer = address_of(peer_of(scope))
        if _within(peer, self.proxies):
            words = ",".join(Headers(scope=scope).getlist(_PROTOCOL)).lower().split(",")
            return all(word.strip(" \t") == "https" for word in words)
        if scope.get("scheme") == "https":
            return True
        return peer is not None and peer.is_loopback and not any(name in Headers(scope=scope) for name in _FORWARDED)


def peer_of(scope: Scope) -> str | None:
    """The address at the other end of the connection. Headers that claim another one are not believed."""
    client = scope.get("client")
    return client[0] if client else None


def address_of(text: str | None) -> Address | None:
    """The address in a text, or None."""
    try:
        address = ip_address(text or "")
    except ValueError:
        return None
    # An IPv4 peer on a dual-stack socket: ::ffff:52.78.100.19
    return getattr(address, "ipv4_mapped", None) or address


def _within(address: Address | None, networks: Sequence[Network]) -> bool:
    return address is not None and any(address in network for network in networks)


def _from_the_right(scope: Scope) -> Iterator[str]:
    """The addresses in the header, the last one first. Several headers count as one, in order."""
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
    """An IPv4 network written as IPv6, in the form of the addresses that it is compared with."""
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    whole = 96
    if mapped is None or network.prefixlen < whole:
        return network
    return ip_network((mapped, network.prefixlen - whole))
