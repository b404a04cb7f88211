"""Every algorithm that culvertd and charon both have, in both roles, with traffic."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
from sites import ESP, Pair

KEY_EXCHANGES = ("modp2048 modp3072 modp4096 modp6144 modp8192 ecp256 ecp384 ecp521 x25519 "
                 "x448").split()
PRFS = "prfsha1 prfsha256 prfsha384 prfsha512 prfaesxcbc prfaescmac".split()
INTEGRITY = "sha1 sha256 sha384 sha512 aesxcbc aescmac".split()
CLASSIC = "aes128 aes192 aes256 aes128ctr aes192ctr aes256ctr".split()
AEADS = [f"aes{bits}{mode}{tag}" for mode in ("gcm", "ccm") for bits in (128, 192, 256)
         for tag in (8, 12, 16)] + ["chacha20poly1305"]


class Algorithms(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.pair = Pair()

    @classmethod
    def tearDownClass(cls):
        cls.pair.close()

    def check(self, ike, esp):
        """A tunnel with these proposals, set up by either side, carries a packet each way."""
        pair = self.pair
        pair.load(ike=ike, esp=esp)
        for starter in (pair.culvert, pair.charon):
            with self.subTest(ike=ike, esp=esp, initiator=starter.name):
                starter.initiate("net")
                self.assertTrue(pair.ping() and pair.ping_back(), "no traffic")
                starter.terminate("site")
                harness.wait_for(pair.empty, 5, "all SAs are gone on both sides")

    def test_key_exchange(self):
        for method in KEY_EXCHANGES:
            self.check(f"aes128-sha256-{method}", ESP)

    def test_prf(self):
        for prf in PRFS:
            self.check(f"aes128gcm16-{prf}-x25519", ESP)

    def test_ike_classic_encryption(self):
        for cipher in CLASSIC:
            self.check(f"{cipher}-sha256-x25519", ESP)

    def test_ike_integrity(self):
        for integrity in INTEGRITY:
            self.check(f"aes256-{integrity}-prfsha256-x25519", ESP)

    def test_ike_aead(self):
        for cipher in AEADS:
            self.check(f"{cipher}-prfsha256-x25519", ESP)

    def test_esp_classic_encryption(self):
        for cipher in CLASSIC:
            self.check("aes128gcm16-prfsha256-x25519", f"{cipher}-sha256")

    def test_esp_integrity(self):
        for integrity in INTEGRITY:
            self.check("aes128gcm16-prfsha256-x25519", f"aes128-{integrity}")

    def test_esp_aead(self):
        for cipher in AEADS:
            self.check("aes128gcm16-prfsha256-x25519", cipher)


if __name__ == "__main__":
    harness.main()
