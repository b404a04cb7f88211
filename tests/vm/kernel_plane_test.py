"""culvertd with the kernel's data plane against charon with the kernel's, in a guest."""

import os
import re
import signal
import sys
import unittest

FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(FOLDER, ".."))
sys.path.insert(0, os.path.join(FOLDER, "..", "interop"))
import harness
from sites import CHARON, CHARON6, CULVERT, CULVERT6, Pair

HOSTS = {"net": ("dynamic", "dynamic")}


class Kernel(unittest.TestCase):
    """Both daemons use the kernel; each test leaves them without SAs."""

    @classmethod
    def setUpClass(cls):
        cls.pair = Pair(kernel_esp=True)

    @classmethod
    def tearDownClass(cls):
        cls.pair.close()

    def tearDown(self):
        self.pair.here, self.pair.there = CULVERT, CHARON
        for peer in (self.pair.culvert, self.pair.charon):
            peer.terminate("site", check=False)
        harness.wait_for(self.pair.empty, 20, "all SAs are gone on both sides")

    def xfrm(self, kind):
        """What `ip xfrm state` or `policy` lists on our side."""
        return self.pair.ns_culvert.run(["ip", "-s", "xfrm", kind]).stdout

    def ping_tunnel(self, **options):
        return (self.pair.ping(timeout=10, **options) and self.pair.ping_back(timeout=10,
                                                                              **options))

    def ping_peer(self, **options):
        return self.pair.ns_culvert.ping(self.pair.there.address, timeout=10, **options)

    def check(self, ping=None, charon_options=None, **options):
        """Brings the site up from either side, pings, yields, takes it down; nothing stays."""
        self.pair.load(None, charon_options, **options)
        for starter in (self.pair.culvert, self.pair.charon):
            with self.subTest(initiator=starter.name):
                starter.initiate("net")
                self.assertTrue((ping or self.ping_tunnel)(),
                                self.xfrm("state") + self.xfrm("policy"))
                yield starter
                starter.terminate("site")
                harness.wait_for(self.pair.empty, 20, "all SAs are gone on both sides")
                # What the kernel made for a trap goes by itself, some seconds later.
                harness.wait_for(lambda: not self.xfrm("state").strip(), 10,
                                 lambda: "the kernel has no state\n" + self.xfrm("state"))

    def carry(self, in_state, **options):
        for _ in self.check(**options):
            self.assertIn(in_state, self.xfrm("state"))

    def test_gcm(self):
        self.carry("rfc4106(gcm(aes))", esp="aes256gcm16")

    def test_cbc_with_sha256(self):
        self.carry("hmac(sha256)", esp="aes128-sha256")

    def test_chacha20_poly1305(self):
        self.carry("rfc7539esp(chacha20,poly1305)", esp="chacha20poly1305")

    def test_extended_sequence_numbers(self):
        self.carry("esn", esp="aes128gcm16-esn")

    def test_encapsulation_in_udp(self):
        self.carry("encap type espinudp", options="encap = yes")

    def test_over_ipv6(self):
        self.pair.here, self.pair.there = CULVERT6, CHARON6
        self.carry("src 2001:db8::")

    def test_transport(self):
        self.carry("mode transport", ping=self.ping_peer, children=HOSTS,
                   child_options="mode = transport")

    def test_ah(self):
        self.carry("proto ah", ah="sha256")

    def test_ipcomp(self):
        # Small packets go as they are, large ones compressed.
        self.carry("proto comp", child_options="ipcomp = yes",
                   ping=lambda: self.ping_tunnel() and self.ping_tunnel(size=1200))

    def test_counters_are_the_kernels(self):
        for _ in self.check():
            text = self.pair.culvert.list_sas(raw=True)
            self.assertIn("packets-in=2", text)
            self.assertIn("packets-out=2", text)

    def test_rekeying_moves_the_policy(self):
        for _ in self.check():
            for peer in (self.pair.culvert, self.pair.charon):
                before = self.xfrm("policy")
                peer.swanctl("--rekey", "--child", "net")
                harness.wait_for(lambda: self.xfrm("policy") != before, 20, "another SPI")
                self.assertTrue(self.ping_tunnel())

    def test_limit_of_octets_rekeys(self):
        self.pair.load({"child_options": "rekey_bytes = 5000\nrand_bytes = 0\n"
                                          "life_bytes = 500000"})
        self.pair.culvert.initiate("net")
        spi = lambda: re.findall(r"spi-in=(\w+)", self.pair.culvert.list_sas(raw=True))
        before = spi()
        self.assertTrue(self.pair.ping(count=8, size=1000, timeout=10))
        harness.wait_for(lambda: spi() not in ([], before), 20, "a rekey")
        self.assertTrue(self.ping_tunnel())

    def test_the_first_packet_of_a_trap_is_not_lost(self):
        self.pair.load({"child_options": "start_action = trap"})
        self.assertIn("dir fwd", self.xfrm("policy"))
        self.assertTrue(self.pair.ping(count=1, timeout=30))
        self.assertTrue(self.pair.culvert.has_child("net"))
        self.pair.load()

    def test_nothing_is_left_behind(self):
        self.pair.load({"child_options": "start_action = trap"})
        self.pair.culvert.initiate("net")
        self.assertIn("proto esp", self.xfrm("state"))
        self.pair.culvert.stop()
        for kind in ("state", "policy"):
            harness.wait_for(lambda: not self.xfrm(kind).strip(), 10, f"no {kind}")
        self.assertNotIn("4501", self.pair.ns_culvert.run(["ip", "rule"]).stdout)
        self.pair.culvert.restart()

    def test_what_a_killed_daemon_left_is_removed(self):
        self.pair.load()
        self.pair.culvert.initiate("net")
        self.pair.culvert.signal(signal.SIGKILL)
        self.pair.culvert.wait()
        self.assertIn("proto esp", self.xfrm("state"))
        self.pair.culvert.restart()
        self.assertNotIn("proto esp", self.xfrm("state"))
        self.assertIn("removed at start", self.pair.culvert.culvert("status").stdout)


if __name__ == "__main__":
    harness.main()
