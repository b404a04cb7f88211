"""What culvertd does when charon dies or deletes: dpd_action, close_action, `unique`, and both
ends bringing the tunnel up at once."""

import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
from sites import CHARON, CULVERT, IMPATIENT, Pair, connection, site_conf, swanctl_conf

DPD = "dpd_delay = 1s\n keyingtries = 0"


class Actions(unittest.TestCase):
    def setUp(self):
        self.pair = Pair(culvert_toml=IMPATIENT)
        self.addCleanup(self.pair.close)
        self.culvert, self.charon = self.pair.culvert, self.pair.charon

    def cut(self, state):
        """The wire between the two goes down or up."""
        device = self.pair.ns_charon.run(["ip", "-o", "link", "show", "type", "veth"]).stdout
        name = re.match(r"\d+: ([^@:]+)", device).group(1)
        self.pair.ns_charon.run(["ip", "link", "set", name, state])

    def up_with_dpd_action(self, action):
        self.pair.load({"options": DPD, "child_options": f"dpd_action = {action}"})
        self.culvert.initiate("net")
        self.assertTrue(self.pair.ping())

    def replace_charon(self):
        """charon dies without a word; another one comes with the same configuration."""
        self.charon.kill()
        harness.wait_for(lambda: not self.culvert.has_child("net"), 30, "its death is noticed")
        self.charon = self.pair.charon = self.pair.world.charon(self.pair.ns_charon)
        self.charon.load_all(site_conf(CHARON, CULVERT))

    def test_dpd_action_start_after_a_death(self):
        self.up_with_dpd_action("start")
        self.replace_charon()
        harness.wait_for(lambda: self.charon.has_child("net"), 30, "the tunnel is up again")
        self.assertTrue(self.pair.ping())

    def test_dpd_action_trap_after_a_death(self):
        self.up_with_dpd_action("trap")
        self.replace_charon()
        self.assertFalse(self.charon.list_sas().strip())
        harness.wait_for(lambda: self.pair.ping(timeout=5), 20, "traffic brings it up again")
        self.assertTrue(self.charon.has_child("net"))

    def test_dpd_action_start_after_a_partition(self):
        self.up_with_dpd_action("start")
        self.cut("down")
        harness.wait_for(lambda: not self.culvert.has_child("net"), 30, "the silence is noticed")
        self.cut("up")
        harness.wait_for(self.pair.ping, 40, "the tunnel works again")

    def close_by_charon(self, action, ike):
        self.pair.load({"child_options": f"close_action = {action}"})
        self.culvert.initiate("net")
        before = re.findall(r"spi-in=([0-9a-f]{8})", self.culvert.list_sas(raw=True))
        self.charon.swanctl("--terminate", *(("--ike", "site") if ike else ("--child", "net")))
        return before

    def test_close_action_start(self):
        for ike in (False, True):
            with self.subTest(ike=ike):
                before = self.close_by_charon("start", ike)

                def again():
                    now = re.findall(r"spi-in=([0-9a-f]{8})", self.culvert.list_sas(raw=True))
                    return len(now) == 1 and now != before
                harness.wait_for(again, 20, "another CHILD SA is up")
                harness.wait_for(self.pair.ping, 10, "it carries packets")

    def test_close_action_trap(self):
        for ike in (False, True):
            with self.subTest(ike=ike):
                self.close_by_charon("trap", ike)
                harness.wait_for(lambda: not self.culvert.has_child("net"), 10, "it is closed")
                self.assertTrue(self.pair.ping(timeout=5), "the first packet brings it up")
                self.assertTrue(self.charon.has_child("net"))

    def test_unique_keep_refuses_a_second_tunnel(self):
        self.pair.load({"options": "unique = keep"}, {"options": "unique = never"})
        self.charon.initiate("net")
        # Without MOBIKE, so that charon does not take the IKE SA that it has.
        other = connection(CHARON, CULVERT, name="again", options="unique = never\n mobike = no",
                           children={"second": ("10.2.9.0/24", "10.1.9.0/24")})
        self.charon.load_all(swanctl_conf(
            connection(CHARON, CULVERT, options="unique = never"), other))
        refused = self.charon.initiate("second", check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("AUTH_FAILED", self.charon.log_text())
        self.assertIn("unique", self.culvert.culvert("why", "site", check=False).stdout)
        self.assertTrue(self.pair.ping())

    def test_both_start_at_once_and_one_tunnel_stays(self):
        start = {"child_options": "start_action = start\n close_action = start\n"
                                  " dpd_action = start"}
        for _ in range(3):
            self.pair.load({"options": "unique = replace", **start})
            conf = site_conf(CHARON, CULVERT, options="keyingtries = 0", **start)
            self.culvert.terminate("site", check=False)
            self.charon.load_all(conf)
            self.culvert.initiate("net", check=False)
            harness.wait_for(self.pair.ping, 20, "the tunnel works")
            ikes = lambda peer: re.findall(r"initiator-spi=([0-9a-f]{16})",
                                           peer.list_sas(raw=True))
            harness.wait_for(lambda: len(ikes(self.culvert)) == 1 and
                             ikes(self.culvert) == ikes(self.charon), 30, "one IKE SA is left")
            self.assertTrue(self.pair.ping())


if __name__ == "__main__":
    harness.main()
