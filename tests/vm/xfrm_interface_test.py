"""XFRM interfaces that culvertd makes, in a guest."""

import os
import re
import signal
import sys
import unittest

FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(FOLDER, ".."))
sys.path.insert(0, os.path.join(FOLDER, "..", "interop"))
import harness
from sites import CHARON, CULVERT, ESP, IKE, PSK, Pair, site_conf


def toml(interface):
    return f"""
[tunnel.site]
peer = "{CHARON.address}"
psk = "{PSK}"
local = "{CULVERT.net}"
remote = "{CHARON.net}"
ike = "{IKE}"
esp = "{ESP}"
{interface}
"""


class XfrmInterface(unittest.TestCase):
    """A tunnel of the TOML file with an interface of its own."""

    IPSEC0 = 'xfrm_interface = { name = "ipsec0", address = "10.1.0.77/32", mtu = 1340 }'

    @classmethod
    def setUpClass(cls):
        cls.pair = Pair(kernel_esp=True, culvert_toml=toml(cls.IPSEC0))
        cls.pair.charon.load_all(site_conf(CHARON, CULVERT))

    @classmethod
    def tearDownClass(cls):
        cls.pair.close()

    def link(self, name="ipsec0"):
        """What the kernel says of it; empty when there is none."""
        return self.pair.ns_culvert.run(["ip", "-d", "-s", "addr", "show", name],
                                        check=False).stdout

    def received(self):
        return int(re.search(r"RX:.*\n\s+\d+\s+(\d+)", self.link())[1])

    def check_traffic(self):
        self.pair.culvert.culvert("up", "site")
        before = self.received()
        self.assertTrue(self.pair.ping(timeout=10), self.link())
        self.assertTrue(self.pair.ping_back(timeout=10), self.link())
        self.assertGreaterEqual(self.received(), before + 2)

    def test_it_is_made_and_carries_the_tunnel(self):
        self.assertIn("mtu 1340", self.link())
        self.assertIn("xfrm if_id 0x43", self.link())
        self.assertIn("inet 10.1.0.77/32", self.link())
        self.check_traffic()
        route = self.pair.ns_culvert.run(["ip", "route", "get", CHARON.host]).stdout
        self.assertIn("dev ipsec0", route)

    def test_reload_changes_and_removes_it(self):
        self.pair.culvert.reload(toml(self.IPSEC0.replace("1340", "1360")))
        harness.wait_for(lambda: "mtu 1360" in self.link(), 20, "the other MTU")
        self.check_traffic()
        self.pair.culvert.reload(toml('xfrm_interface = "ipsec1"'))
        harness.wait_for(lambda: self.link("ipsec1"), 20, "the other interface")
        self.assertEqual(self.link(), "")
        self.pair.culvert.reload(toml(""))
        harness.wait_for(lambda: not self.link("ipsec1"), 20, "no interface")
        self.pair.culvert.reload(toml(self.IPSEC0))
        harness.wait_for(self.link, 20, "the first one again")
        self.check_traffic()

    def test_it_goes_with_the_daemon(self):
        self.pair.culvert.signal(signal.SIGKILL)
        self.pair.culvert.wait()
        self.assertNotEqual(self.link(), "")
        self.pair.culvert.restart()
        self.check_traffic()
        self.pair.culvert.stop()
        self.assertEqual(self.link(), "")
        self.pair.culvert.restart()

    def test_a_name_that_is_taken_is_said(self):
        self.addCleanup(self.pair.culvert.reload, toml(self.IPSEC0))
        self.pair.ns_culvert.run(["ip", "link", "add", "taken0", "type", "dummy"])
        self.pair.culvert.reload(toml('xfrm_interface = "taken0"'))
        self.pair.culvert.wait_for_log("there is an interface taken0 already")
        self.assertIn("mtu", self.link())


if __name__ == "__main__":
    harness.main()
