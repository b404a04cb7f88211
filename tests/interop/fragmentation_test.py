"""culvertd and charon fragment IKE messages (RFC 7383) on a path with a small MTU."""

import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
from sites import CHARON, CULVERT, Pair, Side

MTU = 420
IP_FRAGMENTS = "ip[6:2] & 0x3fff != 0"


def long_identity(letter):
    # charon cuts longer ones.
    return "@#" + letter.encode().hex() * 240


class SmallPath(unittest.TestCase):
    def setUp(self):
        self.pair = Pair(
            culvert=Side(CULVERT.address, CULVERT.net, CULVERT.host, long_identity("c")),
            charon=Side(CHARON.address, CHARON.net, CHARON.host, long_identity("s")),
            strongswan_conf="fragment_size = 400\n",
            culvert_toml="[daemon]\nfragment_size = 400\nlog_level = \"debug\"\n")
        self.addCleanup(self.pair.close)
        for host in (self.pair.ns_culvert, self.pair.ns_charon):
            host.run(["ip", "link", "set", "dev", "eth0", "mtu", str(MTU)])

    def up(self, starter):
        starter.initiate("net")
        self.assertTrue(self.pair.ping())

    def down(self, starter):
        starter.terminate("site")
        harness.wait_for(self.pair.empty, 5, "all SAs are gone on both sides")

    def ladder(self, what):
        """Our lines of messages with so many fragments."""
        return re.findall(what + r" IKE_AUTH \w+ 1:.* in (\d+) fragments",
                          self.pair.culvert.log_text())

    def test_both_roles_without_ip_fragments(self):
        self.pair.load()
        capture = self.pair.world.capture(self.pair.ns_charon, "eth0", IP_FRAGMENTS)
        for starter in (self.pair.culvert, self.pair.charon):
            with self.subTest(initiator=starter.name):
                self.up(starter)
                self.down(starter)
        capture.stop()
        self.assertEqual(capture.packets(), [])
        self.assertEqual([len(self.ladder(what)) for what in ("sent", "received")], [2, 2])

    def test_only_the_peer_sends_fragments(self):
        self.pair.load(culvert_options={"options": "fragmentation = accept"})
        self.up(self.pair.charon)
        self.assertEqual([len(self.ladder(what)) for what in ("sent", "received")], [0, 1])
        self.down(self.pair.charon)

    def test_neither_does_when_we_do_not_announce_it(self):
        self.pair.load(culvert_options={"options": "fragmentation = no"})
        self.up(self.pair.charon)
        self.assertEqual([len(self.ladder(what)) for what in ("sent", "received")], [0, 0])
        self.down(self.pair.charon)


if __name__ == "__main__":
    harness.main()
