"""Which addresses may be connected to: those of the public internet, and no others.

After the special-purpose registries of IANA for IPv4 and IPv6 (RFC 6890 and what was added since). The table is
written out here, so that an answer does not depend on the version of Python.
"""

import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import psutil

from labeling.sayings import gettext_noop

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

WEB_PORTS = frozenset({80, 443, 8080, 8443})
_MACHINE = gettext_noop("The address leads to this machine itself ({address}). It is not fetched.")
_PRIVATE = gettext_noop("The address leads to a private network ({address}). It is not fetched.")
_LOCAL = gettext_noop(
    "The address leads to a place that only machines of one network see, as a cloud's metadata ({address}). "
    "It is not fetched."
)
_SPECIAL = gettext_noop(
    "The address leads to no place of the public internet ({address}). It is not fetched."
)
_CLOSED = gettext_noop("The address leads to a network closed by FETCH_REFUSE_ADDRESSES ({address}).")
_PORT = gettext_noop("Port {port} is not fetched from; addresses have the ports {known}.")

_TABLE: tuple[tuple[str, str], ...] = (
    ("0.0.0.0/8", _MACHINE),
    ("10.0.0.0/8", _PRIVATE),
    ("100.64.0.0/10", _PRIVATE),  # behind a carrier's NAT; also the metadata of Alibaba Cloud
    ("127.0.0.0/8", _MACHINE),
    ("168.63.129.16/32", _LOCAL),  # Azure's host, though the number looks public
    ("169.254.0.0/16", _LOCAL),
    ("172.16.0.0/12", _PRIVATE),
    ("192.0.0.0/24", _LOCAL),  # also the metadata of Oracle Cloud
    ("192.0.2.0/24", _SPECIAL),
    ("192.88.99.0/24", _SPECIAL),
    ("192.168.0.0/16", _PRIVATE),
    ("198.18.0.0/15", _SPECIAL),
    ("198.51.100.0/24", _SPECIAL),
    ("203.0.113.0/24", _SPECIAL),
    ("224.0.0.0/4", _SPECIAL),
    ("240.0.0.0/4", _SPECIAL),
    ("::/128", _MACHINE),
    ("::1/128", _MACHINE),
    ("64:ff9b:1::/48", _PRIVATE),  # a network's own NAT64
    ("fc00::/7", _PRIVATE),
    ("fe80::/10", _LOCAL),
    ("fec0::/10", _PRIVATE),
    ("2001::/23", _SPECIAL),  # with Teredo, which packs an IPv4 address in
    ("2001:db8::/32", _SPECIAL),
    ("2002::/16", _SPECIAL),  # 6to4, which packs one in too
    ("3fff::/20", _SPECIAL),
)
_CLOSED_NETWORKS = tuple((ipaddress.ip_network(network), reason) for network, reason in _TABLE)
_PUBLIC_IPV6 = IPv6Network("2000::/3")
_MAPPED = IPv6Network("::ffff:0:0/96")
_NAT64 = IPv6Network("64:ff9b::/96")
_ISATAP = (0x00005EFE, 0x02005EFE)


class BadNetwork(ValueError):
    """This is no network; the text says what one looks like."""


def own_addresses() -> frozenset[Address]:
    """Those of this machine's interfaces."""
    found: set[Address] = set()
    for interface in psutil.net_if_addrs().values():
        for entry in interface:
            try:
                found.update(readings(ipaddress.ip_address(entry.address)))
            except ValueError:  # a hardware address
                continue
    return frozenset(found)


@dataclass(frozen=True)
class Rules:
    """Where may be connected to. `refused` goes before `allowed`, and that before the table."""

    allowed: tuple[Network, ...] = ()
    refused: tuple[Network, ...] = ()
    own: Callable[[], frozenset[Address]] = own_addresses
    """This machine's addresses, public ones too."""

    def why_not(self, address: Address, port: int) -> str:
        """Why this address and port are not connected to, for people; empty if they are."""
        reasons = (self._why_not(one, port) for one in readings(address))
        return next(filter(None, reasons), "")

    def _why_not(self, address: Address, port: int) -> str:
        if _within(address, self.refused):
            return _CLOSED.format(address=address)
        if _within(address, self.allowed):
            return ""
        if reason := _special(address):
            return reason.format(address=address)
        if address in self.own():
            # Behind a firewall a machine still answers itself at its public address.
            return _MACHINE.format(address=address)
        if port not in WEB_PORTS:
            return _PORT.format(port=port, known=", ".join(map(str, sorted(WEB_PORTS))))
        return ""


def networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks from texts such as 10.1.0.0/16 or a single address. Raises BadNetwork."""
    try:
        return tuple(ipaddress.ip_network(text.strip()) for text in texts if text.strip())
    except ValueError as error:
        raise BadNetwork(f"{error}. Write networks as 10.1.0.0/16, with commas between them.") from None


def readings(address: Address) -> tuple[Address, ...]:
    """The addresses that a packet to this one may end at: of an IPv6 address also the IPv4 address packed into it."""
    if isinstance(address, IPv4Address):
        return (address,)
    number = int(address)
    inner = IPv4Address(number & 0xFFFFFFFF)
    if address in _MAPPED or address in _NAT64:
        return (inner,)
    plain = IPv6Address(number)  # without a zone
    return (plain, inner) if (number >> 32 & 0xFFFFFFFF) in _ISATAP else (plain,)


def _special(address: Address) -> str:
    for network, reason in _CLOSED_NETWORKS:
        if address.version == network.version and address in network:
            return reason
    if isinstance(address, IPv6Address) and address not in _PUBLIC_IPV6:
        return _SPECIAL
    return ""


def _within(address: Address, these: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in these)
