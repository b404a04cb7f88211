"""The life of a tunnel between culvertd and charon: rekeying under traffic, reauthentication,
a PFS mismatch found at once, traps, childless IKE SAs, silence."""

import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
from sites import CHARON, CULVERT, Pair
from traffic import Traffic

# CHILD SAs of some seconds, IKE SAs that stay.
SHORT_CHILDREN = {"options": "rekey_time = 0",
                  "child_options": "rekey_time = 2s\n rand_time = 0\n life_time = 20s"}
LONG_CHILDREN = {"options": "rekey_time = 0", "child_options": "rekey_time = 1h"}


class Lifetimes(unittest.TestCase):
    STRONGSWAN_CONF = "make_before_break = yes"

    @classmethod
    def setUpClass(cls):
        cls.pair = Pair(strongswan_conf=cls.STRONGSWAN_CONF)

    @classmethod
    def tearDownClass(cls):
        cls.pair.close()

    def tearDown(self):
        for peer in (self.pair.culvert, self.pair.charon):
            peer.terminate("site", check=False)
        harness.wait_for(self.pair.empty, 10, "all SAs are gone on both sides")

    def spi(self):
        """SPIs of what culvertd uses now."""
        return set(re.findall(r"spi-in=([0-9a-f]{8})", self.pair.culvert.list_sas(raw=True)))

    def ike_ids(self):
        return set(re.findall(r"initiator-spi=([0-9a-f]{16})",
                              self.pair.culvert.list_sas(raw=True)))

    def starters(self):
        for starter in (self.pair.culvert, self.pair.charon):
            with self.subTest(initiator=starter.name):
                yield starter
                self.tearDown()

    def check_traffic(self, changes, what):
        """Traffic flows while changes() becomes true; none of it is lost or comes twice."""
        traffic = Traffic(self.pair)
        harness.wait_for(changes, 30, what)
        sent, lost, duplicates = traffic.stop()
        self.assertGreater(sent, 100)
        self.assertEqual((lost, duplicates), (0, 0), f"of {sent} packets")

    def count_changes(self, look, wanted):
        seen = set()

        def enough():
            seen.update(look())
            return len(seen) >= wanted
        return enough

    def check_rekeys(self, culvert, charon, esp="aes128gcm16"):
        for starter in self.starters():
            self.pair.load(culvert, charon, esp=esp)
            starter.initiate("net")
            self.check_traffic(self.count_changes(self.spi, 4), "three rekeys")

    def test_culvertd_rekeys_under_traffic(self):
        self.check_rekeys(SHORT_CHILDREN, LONG_CHILDREN)

    def test_charon_rekeys_under_traffic(self):
        self.check_rekeys(LONG_CHILDREN, SHORT_CHILDREN)

    def test_both_rekey_at_the_same_time_with_pfs(self):
        self.check_rekeys(SHORT_CHILDREN, SHORT_CHILDREN, esp="aes128gcm16-x25519")

    def test_rekey_by_packets(self):
        limits = {"options": "rekey_time = 0",
                  "child_options": "rekey_time = 0\n life_time = 1h\n rekey_packets = 150\n"
                                   " life_packets = 100000\n rand_packets = 0"}
        self.check_rekeys(limits, LONG_CHILDREN)

    def test_rekey_by_bytes(self):
        limits = {"options": "rekey_time = 0",
                  "child_options": "rekey_time = 0\n life_time = 1h\n rekey_bytes = 15000\n"
                                   " life_bytes = 10000000\n rand_bytes = 0"}
        self.check_rekeys(limits, LONG_CHILDREN)

    def test_ike_rekeys_under_traffic(self):
        ike = {"options": "rekey_time = 2s\n rand_time = 0\n over_time = 20s",
               "child_options": "rekey_time = 1h"}
        for culvert, charon in ((ike, LONG_CHILDREN), (LONG_CHILDREN, ike), (ike, ike)):
            self.pair.load(culvert, charon)
            self.pair.culvert.initiate("net")
            self.check_traffic(self.count_changes(self.ike_ids, 4), "three IKE SA rekeys")
            self.tearDown()

    def test_reauthentication_loses_nothing(self):
        again = {"options": "rekey_time = 0\n reauth_time = 3s\n rand_time = 0\n over_time = 20s",
                 "child_options": "rekey_time = 1h"}
        for starter in self.starters():
            # As the initiator that has the limit does it, and the peer goes along.
            limits = (again, LONG_CHILDREN) if starter is self.pair.culvert else (LONG_CHILDREN,
                                                                                  again)
            self.pair.load(*limits)
            starter.initiate("net")
            self.check_traffic(self.count_changes(self.ike_ids, 3), "two reauthentications")

    def test_charon_obeys_our_auth_lifetime(self):
        again = {"options": "rekey_time = 0\n reauth_time = 12s\n over_time = 30s",
                 "child_options": "rekey_time = 1h"}
        self.pair.load(again, LONG_CHILDREN)
        self.pair.charon.initiate("net")
        self.assertIn("received AUTH_LIFETIME of 12s", self.pair.charon.log_text())
        # charon ends the old IKE SA when the lifetime is over, the new one still under way: what
        # is sent in between is lost, and nothing later.
        harness.wait_for(self.count_changes(self.ike_ids, 2), 30, "a new IKE SA")
        harness.wait_for(lambda: self.pair.culvert.has_child("net"), 10, "its CHILD SA")
        self.assertTrue(self.pair.ping())

    def test_pfs_mismatch_is_explained_when_the_tunnel_comes_up(self):
        for ours, theirs in (("aes128gcm16-x25519", "aes128gcm16"),
                             ("aes128gcm16", "aes128gcm16-x25519"),
                             ("aes128gcm16-x25519", "aes128gcm16-ecp256")):
            for starter in self.starters():
                self.pair.culvert.swanctl("--load-conns", check=False)
                self.pair.load({"esp": ours, **LONG_CHILDREN}, {"esp": theirs, **LONG_CHILDREN})
                starter.initiate("net")
                why = lambda: self.pair.culvert.culvert("why", "site", check=False).stdout
                harness.wait_for(lambda: "PFS" in why(), 10, lambda: "an explanation: " + why())
                self.assertEqual(len(why().strip().splitlines()), 1)
                self.assertTrue(self.pair.ping())

    def test_the_first_packet_of_a_trap_is_not_lost(self):
        self.pair.load({"child_options": "start_action = trap"})
        self.assertTrue(self.pair.ping(count=1, timeout=5))
        self.assertTrue(self.pair.culvert.has_child("net"))
        self.pair.load()
        self.pair.load(None, {"child_options": "start_action = trap"})
        self.assertTrue(self.pair.ns_charon.ping(CULVERT.host, source=CHARON.host, timeout=5))
        self.pair.load()

    def test_childless_in_both_roles(self):
        for starter in self.starters():
            options = {"options": "childless = force"}
            self.pair.load(*((options, None) if starter is self.pair.culvert else (None, options)))
            starter.initiate("net")
            self.assertTrue(self.pair.ping())
            self.assertRegex(self.pair.charon.log_text(), r"CREATE_CHILD_SA")

    def test_a_silent_child_is_deleted(self):
        self.pair.load({"child_options": "inactivity = 2s"})
        self.pair.charon.initiate("net")
        self.assertTrue(self.pair.ping())
        harness.wait_for(lambda: not self.pair.culvert.has_child("net"), 10, "it is idle")
        self.assertIn("site", self.pair.culvert.list_sas())
        self.assertFalse(self.pair.charon.has_child("net"))


if __name__ == "__main__":
    harness.main()
