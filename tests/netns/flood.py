"""Floods a responder for a bounded time: flood.py ADDRESS OWN_ADDRESS SECONDS.

Most datagrams are IKE_SA_INIT requests with spoofed sources, and garbage. The rest come from our
own address and go further: they show their cookies, and send what cannot be verified to the
half-open IKE SAs that they get, whole or as fragments. Needs raw sockets; runs in a test's
namespace.
"""

import os
import random
import socket
import struct
import sys
import time

BURST = 20  # datagrams between two looks at the clock
PAUSE = 0.01
PORTS = 4   # sockets of our own address

NOTIFY, SK, SKF = 41, 46, 53
COOKIE = 16390


def payload(following, data):
    return struct.pack("!BBH", following, 0, 4 + len(data)) + data


def header(spi_i, spi_r, first, exchange, message_id, chain):
    return struct.pack("!8s8sBBBBII", spi_i, spi_r, first, 0x20, exchange, 0x08, message_id,
                       28 + len(chain)) + chain


def ike_sa_init(generator, spi=None, cookie=None, secrets=None):
    """A well-formed request that offers AES-GCM, HMAC-SHA-256 and X25519, and fragmentation."""
    transforms = [struct.pack("!BBHBBHHH", 3, 0, 12, 1, 0, 20, 0x800e, 128),
                  struct.pack("!BBHBBH", 3, 0, 8, 2, 0, 5),
                  struct.pack("!BBHBBH", 0, 0, 8, 4, 0, 31)]
    body = b"".join(transforms)
    key, nonce = secrets or (generator.randbytes(32), generator.randbytes(32))
    chain = payload(34, struct.pack("!BBHBBBB", 0, 0, 8 + len(body), 1, 1, 0, 3) + body)
    chain += payload(40, struct.pack("!HH", 31, 0) + key)
    chain += payload(NOTIFY, nonce)
    chain += payload(0, struct.pack("!BBH", 0, 0, 16430))
    first = 33
    if cookie:
        chain = payload(first, struct.pack("!BBH", 0, 0, COOKIE) + cookie) + chain
        first = NOTIFY
    return header(spi or generator.randbytes(8), bytes(8), first, 34, 0, chain)


def datagram(source, target, content):
    """IPv4 and UDP around it; the kernel fills in lengths and checksums of IP."""
    udp = struct.pack("!HHHH", 500, 500, 8 + len(content), 0) + content
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, 0, 0, 64, 17, 0, source, target) + udp


class Visitor:
    """A socket that answers: cookies with the same request, IKE SAs with garbage for IKE_AUTH."""

    def __init__(self, address, target, generator):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((address, 0))
        self.socket.setblocking(False)
        self.socket.connect((target, 500))
        self.generator = generator
        self.sent = 0
        self.open = {}  # SPI: what the request was made of

    def send(self, content):
        try:
            self.socket.send(content)
            self.sent += 1
        except OSError:
            pass  # a full queue, or a refusal by ICMP

    def knock(self):
        spi = self.generator.randbytes(8)
        if len(self.open) > 1000:
            self.open.clear()
        self.open[spi] = (self.generator.randbytes(32), self.generator.randbytes(32))
        self.send(ike_sa_init(self.generator, spi, secrets=self.open[spi]))

    def answer(self):
        while True:
            try:
                content = self.socket.recv(4096)
            except OSError:
                return
            spi_i, spi_r, first = content[:8], content[8:16], content[16]
            if spi_i not in self.open:
                continue
            if spi_r == bytes(8):
                if first == NOTIFY and content[34:36] == struct.pack("!H", COOKIE):
                    self.send(ike_sa_init(self.generator, spi_i, content[36:], self.open[spi_i]))
            else:
                del self.open[spi_i]
                self.molest(spi_i, spi_r)

    def molest(self, spi_i, spi_r):
        for _ in range(2):
            self.send(header(spi_i, spi_r, SK, 35, 1, payload(35, self.generator.randbytes(300))))
        for number in range(1, 5):
            fragment = struct.pack("!HH", number, 9) + self.generator.randbytes(500)
            self.send(header(spi_i, spi_r, SKF, 35, 1, payload(35 if number == 1 else 0, fragment)))


def main():
    target, own, seconds = sys.argv[1], sys.argv[2], min(float(sys.argv[3]), 3600)
    generator = random.Random(os.getpid())
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    visitors = [Visitor(own, target, generator) for _ in range(PORTS)]
    end, spoofed = time.monotonic() + seconds, 0
    packed = socket.inet_aton(target)
    while time.monotonic() < end:
        for _ in range(BURST):
            source = struct.pack("!I", 0xC6120000 | generator.getrandbits(16))  # 198.18.0.0/16
            content = ike_sa_init(generator) if generator.random() < 0.8 else generator.randbytes(
                generator.randrange(1, 400))
            try:
                raw.sendto(datagram(source, packed, content), (target, 0))
                spoofed += 1
            except OSError:
                pass
        for visitor in visitors:
            visitor.knock()
            visitor.answer()
        time.sleep(PAUSE)
    print(f"{spoofed} spoofed datagrams, {sum(one.sent for one in visitors)} of our own")


if __name__ == "__main__":
    main()
