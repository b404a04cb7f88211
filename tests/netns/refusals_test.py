"""What only the kernel's data plane can do is refused by the userspace one, in words that help."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "interop"))
import harness
from sites import CHARON as EAST, CULVERT as WEST, site_conf

TUNNEL = """[tunnel.site]
peer = "192.0.2.2"
psk = "a key"
local = "10.1.0.0/16"
remote = "10.2.0.0/16"
"""
INTERFACE = 'xfrm_interface = "ipsec0"\n'
ADVICE = ("needs the kernel's data plane, and here the userspace one serves: leave it out, or set "
          'data_plane = "kernel"')


class Refusals(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.world = harness.World()
        try:
            west, east = cls.world.ns("west"), cls.world.ns("east")
            cls.world.link(west, "192.0.2.1/24", east, "192.0.2.2/24")
            cls.alone = cls.world.ns("alone")
            cls.west = cls.world.culvertd(west)
            cls.east = cls.world.culvertd(east)
        except BaseException:
            cls.world.__exit__(RuntimeError, None, None)
            raise

    @classmethod
    def tearDownClass(cls):
        cls.world.__exit__(None, None, None)

    def load(self, child_options="", options=""):
        """The site anew; what loading it on our side printed."""
        self.east.load_all(site_conf(EAST, WEST))
        return self.west.load_all(site_conf(WEST, EAST, options=options,
                                            child_options=child_options), check=False)

    def said(self, sentence):
        """How often, since the test began."""
        return self.west.log_text()[self.begin:].count(sentence)

    def setUp(self):
        self.begin = len(self.west.log_text())

    def tearDown(self):
        self.west.terminate("site", check=False)

    def check_initiating(self, sentence, **options):
        self.assertEqual(self.load(**options).returncode, 0)
        self.west.initiate("net", check=False)
        harness.wait_for(lambda: self.said(sentence), 10, self.west.log_tail)
        harness.wait_for(lambda: not self.east.has_child("net"), 10, "the peer is told")
        self.assertIn(sentence, self.west.culvert("why", "site", check=False).stdout)
        self.assertEqual(self.said(sentence), 1, self.west.log_tail())
        self.west.terminate("site")

    def test_marks(self):
        self.check_initiating(f"set_mark_out {ADVICE}", child_options="set_mark_out = 0x10")
        self.check_initiating(f"mark_in {ADVICE}", child_options="mark_in = 7\n mark_in_sa = yes")

    def test_marks_of_a_trap(self):
        self.assertEqual(self.load("start_action = trap\n mark_out = %unique").returncode, 0)
        harness.wait_for(lambda: self.said(f"mark_out {ADVICE}"), 10, self.west.log_tail)

    def test_interface_numbers(self):
        self.check_initiating(f"if_id_in {ADVICE}", options="if_id_in = 5\n if_id_out = 5")

    def test_beet(self):
        refused = self.load("mode = beet")
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("only tunnel, transport, pass and drop are", refused.stdout + refused.stderr)

    def test_an_xfrm_interface(self):
        sentence = f"xfrm_interface ipsec0 {ADVICE}"
        with self.assertRaisesRegex(AssertionError, "ended with status") as ended:
            self.world.culvertd(self.alone, TUNNEL + INTERFACE)
        self.assertIn(sentence, str(ended.exception))

    def test_an_xfrm_interface_that_a_reload_brings(self):
        peer = self.world.culvertd(self.alone, TUNNEL)
        peer.write_config(TUNNEL + INTERFACE)
        refused = peer.culvert("reload", check=False)
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn(f"xfrm_interface ipsec0 {ADVICE}", refused.stdout + refused.stderr)
        self.assertIn("site", peer.swanctl("--list-conns").stdout)
        peer.stop()


if __name__ == "__main__":
    harness.main()
