"""Floods a responder with IKE_SA_INIT requests from many addresses and with garbage, at a bounded
rate for a bounded time: flood.py ADDRESS SECONDS. Needs raw sockets; runs in a test's namespace.
"""

import os
import random
import socket
import struct
import sys
import time

BURST = 200  # datagrams between two looks at the clock
PAUSE = 0.02


def ike_sa_init(generator):
    """A well-formed request that offers AES-GCM, HMAC-SHA-256 and X25519."""
    transforms = [struct.pack("!BBHBBHHH", 3, 0, 12, 1, 0, 20, 0x800e, 128),
                  struct.pack("!BBHBBH", 3, 0, 8, 2, 0, 5),
                  struct.pack("!BBHBBH", 0, 0, 8, 4, 0, 31)]
    body = b"".join(transforms)
    proposal = struct.pack("!BBHBBBB", 0, 0, 8 + len(body), 1, 1, 0, 3) + body
    payloads = [(34, proposal), (40, struct.pack("!HH", 31, 0) + generator.randbytes(32)),
                (0, generator.randbytes(32))]
    chain = b"".join(struct.pack("!BBH", following, 0, 4 + len(data)) + data
                     for following, data in payloads)
    return struct.pack("!8s8sBBBBII", generator.randbytes(8), bytes(8), 33, 0x20, 34, 0x08, 0,
                       28 + len(chain)) + chain


def datagram(source, target, payload):
    """IPv4 and UDP around it; the kernel fills in lengths and checksums of IP."""
    udp = struct.pack("!HHHH", 500, 500, 8 + len(payload), 0) + payload
    return struct.pack("!BBHHHBBH4s4s", 0x45, 0, 0, 0, 0, 64, 17, 0, source, target) + udp


def main():
    target, seconds = socket.inet_aton(sys.argv[1]), min(float(sys.argv[2]), 600)
    generator = random.Random(os.getpid())
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    end, sent = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        for _ in range(BURST):
            source = struct.pack("!I", 0xC6120000 | generator.getrandbits(16))  # 198.18.0.0/16
            payload = ike_sa_init(generator) if generator.random() < 0.8 else generator.randbytes(
                generator.randrange(1, 400))
            raw.sendto(datagram(source, target, payload), (sys.argv[1], 0))
            sent += 1
        time.sleep(PAUSE)
    print(f"{sent} datagrams")


if __name__ == "__main__":
    main()
