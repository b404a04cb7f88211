#!/usr/bin/env python3
"""The harness itself, and the peers that this machine has: without these no other test counts."""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import harness

SITE = """
connections {{
  site {{
    version = 2
    local_addrs = {local}
    remote_addrs = {remote}
    local {{ auth = psk\n id = {local} }}
    remote {{ auth = psk\n id = {remote} }}
    children {{ net {{ local_ts = {local_net}\n remote_ts = {remote_net}\n
      esp_proposals = aes128gcm16 }} }}
    proposals = aes128gcm16-prfsha256-x25519
  }}
}}
secrets {{ ike-1 {{ id-1 = {local}\n id-2 = {remote}\n secret = "between two charons" }} }}
"""


def two_gateways(world):
    """left host - left gateway - right gateway - right host; the gateways."""
    hosts = world.ns("lh"), world.ns("rh")
    left, right = world.ns("left"), world.ns("right")
    world.link(left, "192.0.2.1/24", right, "192.0.2.2/24")
    for gateway, host, net in ((left, hosts[0], "10.1.0"), (right, hosts[1], "10.2.0")):
        gateway.forward()
        world.link(host, f"{net}.2/24", gateway, f"{net}.1/24")
        host.route("default", f"{net}.1")
    return hosts[0], left, right, hosts[1]


class Network(unittest.TestCase):
    def test_link_carries_both_families(self):
        with harness.World() as world:
            a, b = world.ns("a"), world.ns("b")
            world.link(a, ["10.0.0.1/24", "fd00::1/64"], b, ["10.0.0.2/24", "fd00::2/64"])
            self.assertTrue(a.ping("10.0.0.2"))
            self.assertTrue(b.ping("fd00::1"))
            self.assertFalse(a.ping("10.0.0.3", timeout=1))

    def test_nat_hides_the_inside(self):
        with harness.World() as world:
            inside, router, outside = world.ns("in"), world.ns("nat"), world.ns("out")
            world.link(inside, "10.0.0.2/24", router, "10.0.0.1/24")
            _, far = world.link(router, "192.0.2.1/24", outside, "192.0.2.2/24")
            world.nat(router, "eth1")
            inside.route("default", "10.0.0.1")
            capture = world.capture(outside, far, "icmp")
            self.assertTrue(inside.ping("192.0.2.2"))
            self.assertEqual(capture.count("src host 192.0.2.1"), 1)
            self.assertEqual(capture.count("host 10.0.0.2"), 0)

    def test_close_removes_everything(self):
        world = harness.World()
        a = world.ns("a")
        process = a.start(["sleep", "60"])
        world.close()
        self.assertFalse(process.running())
        self.assertFalse(os.path.exists(world.directory))
        self.assertNotIn(world.prefix, harness.run(["ip", "netns", "list"]).stdout)

    def test_close_after_failure(self):
        with self.assertRaises(RuntimeError):
            with harness.World() as world:
                world.ns("a")
                raise RuntimeError
        self.assertNotIn(world.prefix, harness.run(["ip", "netns", "list"]).stdout)


class Charons(unittest.TestCase):
    def test_tunnel_between_two_charons(self):
        with harness.World() as world:
            left_host, left, right, _ = two_gateways(world)
            wire = world.capture(right, "eth0")
            ends = {"local": "192.0.2.1", "remote": "192.0.2.2",
                    "local_net": "10.1.0.0/24", "remote_net": "10.2.0.0/24"}
            swapped = {"local": ends["remote"], "remote": ends["local"],
                       "local_net": ends["remote_net"], "remote_net": ends["local_net"]}
            initiator = world.charon(left, SITE.format(**ends))
            responder = world.charon(right, SITE.format(**swapped))
            initiator.initiate("net")
            self.assertTrue(initiator.has_child("net"))
            harness.wait_for(lambda: responder.has_child("net"), what="responder has the child")
            self.assertTrue(left_host.ping("10.2.0.2", count=3))
            self.assertEqual(wire.count("net 10.0.0.0/8"), 0)
            self.assertGreaterEqual(wire.count("udp port 4500"), 6)


if __name__ == "__main__":
    harness.main()
