"""Whom culvertd trusts: CAs of the file and of vici come and go apart from each other."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
from authentication import Authority, connection, equip
from sites import CHARON, CULVERT

MOON, SUN = "moon.example.org", "sun.example.org"
TRUSTING = "[tunnel.other]\npeer = \"192.0.2.9\"\ncert = \"own.pem\"\nkey = \"own.key\"\n" \
           "ca = \"ca.pem\"\n"
EMPTY = "[daemon]\nlog_level = \"info\"\n"


class Trust(unittest.TestCase):
    def setUp(self):
        self.world = harness.World()
        self.addCleanup(self.world.__exit__, None, None, None)
        self.authority = Authority(self.world.path("ca"))
        culvert_ns, charon_ns = self.world.ns("cul"), self.world.ns("cha")
        self.world.link(culvert_ns, "192.0.2.1/24", charon_ns, "192.0.2.2/24")
        culvert_ns.address("lo", "10.1.0.1/32")
        charon_ns.address("lo", "10.2.0.1/32")
        key, certificate = self.authority.issue(MOON)
        self.culvert = self.world.culvertd(
            culvert_ns, TRUSTING,
            files={"own.key": key, "own.pem": certificate, "ca.pem": self.authority.certificate})
        self.charon = self.world.charon(charon_ns)
        equip(self.charon, *self.authority.issue(SUN), [self.authority.certificate])
        self.charon.load_all(connection(CHARON, CULVERT, f"auth = pubkey\nid = {SUN}",
                                        f"auth = pubkey\nid = {MOON}", "send_cert = always"))

    def load(self, authorities):
        """A connection of vici's that takes any CA that is trusted."""
        equip(self.culvert, *self.authority.issue(MOON), authorities)
        self.culvert.load_all(connection(CULVERT, CHARON, f"auth = pubkey\nid = {MOON}",
                                         f"auth = pubkey\nid = {SUN}"))

    def works(self):
        done = self.culvert.initiate("net", check=False).returncode == 0
        self.culvert.terminate("site", check=False)
        return done

    def test_a_ca_that_a_reload_takes_away(self):
        self.load([])
        self.assertTrue(self.works())
        self.culvert.reload(EMPTY)
        self.assertFalse(self.works())
        self.assertIn("no trusted CA", self.culvert.culvert("why", "site").stdout)
        self.culvert.reload(TRUSTING)
        self.assertTrue(self.works())

    def test_a_ca_that_vici_gave_too_stays(self):
        self.load([self.authority.certificate])
        self.culvert.reload(EMPTY)
        self.assertTrue(self.works())

    def test_clearing_vicis_leaves_the_files(self):
        self.load([self.authority.certificate])
        self.load([])
        self.assertTrue(self.works())


if __name__ == "__main__":
    harness.main()
