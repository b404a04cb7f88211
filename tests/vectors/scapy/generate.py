"""Writes packets.json: ESP and AH packets made by scapy, which shares nothing with our code.

Needs Debian's python3-scapy: /usr/bin/python3 generate.py > packets.json
"""

import json

import scapy
from scapy.layers.inet import IP, UDP, IPOption
from scapy.layers.inet6 import HBHOptUnknown, IPv6, IPv6ExtHdrHopByHop, RouterAlert
from scapy.layers.ipsec import AH, ESP, SecurityAssociation
from scapy.packet import Raw

SPI = 0x11223344
INTEGRITY = {"HMAC-MD5-96": 16, "HMAC-SHA1-96": 20, "SHA2-256-128": 32, "SHA2-384-192": 48,
             "SHA2-512-256": 64, "AES-CMAC-96": 16}
UDP_HEADER = UDP(sport=1000, dport=2000)
V4 = {"src": "192.0.2.1", "dst": "192.0.2.2", "id": 0x1234}
V6 = {"src": "2001:db8::1", "dst": "2001:db8::2"}
# Router alert stays, record route and the mutable IPv6 option count as zero.
PACKETS = {
    "v4": IP(**V4, tos=0xb9, flags="DF", ttl=57) / UDP_HEADER / Raw(bytes(range(61))),
    "v4 with options": IP(**V4, ttl=3, options=[
        IPOption(b"\x94\x04\x00\x00"), IPOption(b"\x07\x07\x04\x00\x00\x00\x00"),
        IPOption(b"\x01")]) / UDP_HEADER / Raw(b"hello"),
    "v6": IPv6(**V6, tc=0x2e, fl=0x54321, hlim=9) / UDP_HEADER / Raw(bytes(range(33))),
    "v6 with hop-by-hop": IPv6(**V6, hlim=9) / IPv6ExtHdrHopByHop(options=[
        RouterAlert(), HBHOptUnknown(otype=0x3e, optdata=b"abcd")]) / UDP_HEADER / Raw(b"hop"),
}


def key(size):
    return bytes((7 * i + 3) & 255 for i in range(size))


def outer(name):
    if name.startswith("v4"):
        return IP(src="203.0.113.1", dst="203.0.113.2", id=99, ttl=64, flags="DF")
    return IPv6(src="2001:db8:1::1", dst="2001:db8:1::2", hlim=64)


def vector(name, mode, algorithm, sequence, esn=False, iv=None, **options):
    protocol = AH if name.startswith("AH") else ESP
    packet = name.split(" ", 1)[1]
    association = SecurityAssociation(
        protocol, spi=SPI, tunnel_header=outer(packet) if mode == "tunnel" else None, esn_en=esn,
        esn=sequence >> 32, **options)
    plain = bytes(PACKETS[packet])
    more = {"iv": iv} if iv else {}
    sealed = association.encrypt(PACKETS[packet].__class__(plain),
                                 seq_num=sequence & 0xffffffff, **more)
    return {"name": name, "mode": mode, "algorithm": algorithm, "esn": esn, "sequence": sequence,
            "plain": plain.hex(), "sealed": bytes(sealed).hex()}


def vectors():
    for packet in PACKETS:
        for algorithm, size in INTEGRITY.items():
            keys = {"auth_algo": algorithm, "auth_key": key(size)}
            yield vector("AH " + packet, "transport", algorithm, 7, **keys)
            if algorithm == "SHA2-256-128":
                yield vector("AH " + packet, "tunnel", algorithm, 7, **keys)
                yield vector("AH " + packet, "transport", algorithm, 0x500000007, True, **keys)
        if packet == "v4 with options":
            continue
        yield vector("ESP " + packet, "transport", "AES-GCM", 7, iv=(7).to_bytes(8, "big"),
                     crypt_algo="AES-GCM", crypt_key=key(20))
        yield vector("ESP " + packet, "transport", "SHA2-256-128", 7, crypt_algo="NULL",
                     crypt_key=b"", auth_algo="SHA2-256-128", auth_key=key(32))


print(json.dumps({"source": "scapy " + scapy.__version__, "spi": SPI, "vectors": list(vectors())},
                 indent=1))
