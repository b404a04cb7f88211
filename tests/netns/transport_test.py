"""Two culvertd agree on transport mode, AH and IPComp, and carry them in userspace."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import harness


class Transport(unittest.TestCase):
    def check(self, kind, *lines):
        world = harness.World()
        self.addCleanup(world.close)
        west, east = world.ns("west"), world.ns("east")
        world.link(west, ["192.0.2.1/24"], east, ["192.0.2.2/24"])
        extra = "\n".join(('mode = "transport"', *lines))
        toml = '[tunnel.site]\npeer = "{}"\npsk = "some key"\nkeep = "{}"\n{}\n'
        world.culvertd(east, toml.format("192.0.2.1", "passive", extra))
        a = world.culvertd(west, toml.format("192.0.2.2", "up", extra))
        harness.wait_for(lambda: a.has_child("site"), 10, a.log_tail)
        capture = world.capture(east, "eth0", "not arp and not udp port 500 and not ip6")
        self.assertTrue(west.ping("192.0.2.2", count=3), a.log_tail())
        self.assertGreater(west.tcp_throughput(east, "192.0.2.2", seconds=1), 1e6)
        capture.stop()
        self.assertGreater(capture.count(kind), 12)
        self.assertEqual(capture.count("icmp or tcp"), 0, "in clear")

    def test_esp_in_udp(self):
        self.check("udp port 4500")

    def test_native_esp(self):
        self.check("esp", 'encap = "never"')

    def test_ah(self):
        self.check("ah", 'ah = ["sha256"]', 'encap = "never"')

    def test_ipcomp(self):
        self.check("udp port 4500", "ipcomp = true")


if __name__ == "__main__":
    harness.main()
