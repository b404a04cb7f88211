"""MOBIKE with strongSwan, both roles: another address, another interface, a NAT on the way.

The wire between the two is a router, so that either side's network can change without the other's.
"""

import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import harness
from sites import CHARON, CULVERT, IMPATIENT, site_conf


class Roamer:
    """A roaming host, a router that may translate, and a host that stays; either runs culvertd."""

    def __init__(self, culvert_roams):
        self.world = world = harness.World()
        self.roaming, self.router, self.fixed = (world.ns(name) for name in
                                                 ("roaming", "router", "fixed"))
        self.router.forward()
        self.first = world.link(self.roaming, "192.0.2.1/24", self.router, "192.0.2.254/24")[0]
        self.second = world.link(self.roaming, [], self.router, "172.16.0.254/24")[0]
        self.outside = world.link(self.router, "203.0.113.254/24", self.fixed, "203.0.113.2/24")[0]
        self.fixed.route("default", "203.0.113.254")
        self.roaming.route("default", "192.0.2.254")
        self.roaming.address("lo", "10.1.0.1/32")
        self.fixed.address("lo", "10.2.0.1/32")
        self.culvert = world.culvertd(self.roaming if culvert_roams else self.fixed, IMPATIENT)
        self.charon = world.charon(self.fixed if culvert_roams else self.roaming)
        self.client, self.server = ((self.culvert, self.charon) if culvert_roams else
                                    (self.charon, self.culvert))
        options = "mobike = yes\n dpd_delay = 2s"
        self.client.load_all(site_conf(CULVERT, CHARON, local_address="%any",
                                       remote_address="203.0.113.2", options=options))
        self.server.load_all(site_conf(CHARON, CULVERT, local_address="203.0.113.2",
                                       remote_address="%any", options=options))
        self.client.initiate("net")

    def works(self):
        return (self.roaming.ping("10.2.0.1", source="10.1.0.1", timeout=1) and
                self.fixed.ping("10.1.0.1", source="10.2.0.1", timeout=1))

    def move(self, address, router, device=None):
        self.roaming.run(["ip", "address", "flush", "dev", self.first])
        device = device or self.first
        if device != self.first:
            self.roaming.run(["ip", "link", "set", self.first, "down"])
        self.roaming.address(device, address)
        self.roaming.route("default", router)

    def server_sees(self, address):
        return re.search(rf"remote .*@ {re.escape(address)}\[", self.server.list_sas())


class Mobike(unittest.TestCase):
    def roamer(self, culvert_roams):
        roamer = Roamer(culvert_roams)
        self.addCleanup(roamer.world.close)
        self.assertTrue(roamer.works())
        return roamer

    def expect(self, roamer, address):
        logs = lambda: roamer.culvert.log_tail(60) + roamer.charon.log_tail(60)
        harness.wait_for(lambda: roamer.server_sees(address) and roamer.works(), 20, logs)
        self.assertEqual(len(re.findall("ESTABLISHED", roamer.server.list_sas())), 1)

    def test_another_address(self):
        for culvert_roams in (True, False):
            with self.subTest(culvert_roams=culvert_roams):
                roamer = self.roamer(culvert_roams)
                roamer.move("192.0.2.77/24", "192.0.2.254")
                self.expect(roamer, "192.0.2.77")
                self.assertNotIn("IKE SA deleted", roamer.culvert.log_text())

    def test_another_interface(self):
        for culvert_roams in (True, False):
            with self.subTest(culvert_roams=culvert_roams):
                roamer = self.roamer(culvert_roams)
                roamer.move("172.16.0.7/24", "172.16.0.254", roamer.second)
                self.expect(roamer, "172.16.0.7")
                self.assertNotIn("IKE SA deleted", roamer.culvert.log_text())

    def test_to_behind_a_nat_whose_address_changes(self):
        for culvert_roams in (True, False):
            with self.subTest(culvert_roams=culvert_roams):
                roamer = self.roamer(culvert_roams)
                roamer.world.nat(roamer.router, roamer.outside, random_ports=True)
                roamer.move("172.16.0.7/24", "172.16.0.254", roamer.second)
                self.expect(roamer, "203.0.113.254")
                roamer.router.address(roamer.outside, "203.0.113.253/24")
                roamer.router.run(["ip", "address", "del", "203.0.113.254/24", "dev",
                                   roamer.outside])
                roamer.fixed.run(["ip", "route", "replace", "default", "via", "203.0.113.253"])
                roamer.router.run(["ip", "address", "add", "203.0.113.253/24", "dev",
                                   roamer.outside], check=False)
                self.expect(roamer, "203.0.113.253")


if __name__ == "__main__":
    harness.main()
