"""Two culvertd, from TOML: native ESP and UDP, all families, MTU, no leaks, reload, shutdown."""

import os
import re
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import harness

FAMILIES = {
    "v4": ("192.0.2.1", "192.0.2.2", "10.1.0.0/16", "10.2.0.0/16", "10.1.0.1", "10.2.0.1"),
    "v6": ("2001:db8::1", "2001:db8::2", "fd01::/64", "fd02::/64", "fd01::1", "fd02::1"),
}


def tunnel(peer, local, remote, keep="passive", extra="", name="site", psk="some key"):
    return f"""[tunnel.{name}]
peer = "{peer}"
psk = "{psk}"
local = ["{local}"]
remote = ["{remote}"]
keep = "{keep}"
{extra}
"""


class Wire:
    """Two hosts on one wire, with an inner address each on loopback."""

    def __init__(self, mtu=1500):
        self.world = harness.World()
        self.west, self.east = self.world.ns("west"), self.world.ns("east")
        self.world.link(self.west, ["192.0.2.1/24", "2001:db8::1/64"],
                        self.east, ["192.0.2.2/24", "2001:db8::2/64"], mtu=mtu)
        for host, addresses in ((self.west, ("10.1.0.1/32", "fd01::1/128")),
                                (self.east, ("10.2.0.1/32", "fd02::1/128"))):
            for address in addresses:
                host.address("lo", address)

    def run(self, west_toml, east_toml, arguments=()):
        self.b = self.world.culvertd(self.east, east_toml, arguments=arguments)
        self.a = self.world.culvertd(self.west, west_toml, arguments=arguments)
        harness.wait_for(lambda: self.a.has_child("site"), 10, self.a.log_tail)


class Families(unittest.TestCase):
    def check(self, outer, inner, encap):
        wire = Wire()
        self.addCleanup(wire.world.close)
        west, east = FAMILIES[outer][:2]
        net_west, net_east, host_west, host_east = FAMILIES[inner][2:]
        extra = f'encap = "{encap}"'
        wire.run(tunnel(east, net_west, net_east, "up", extra),
                 tunnel(west, net_east, net_west, extra=extra))
        capture = wire.world.capture(wire.east, "eth0", "not arp and not icmp6")
        self.assertTrue(wire.west.ping(host_east, source=host_west, count=3))
        self.assertTrue(wire.east.ping(host_west, source=host_east, count=3))
        done = wire.west.tcp_throughput(wire.east, host_east, seconds=1)
        self.assertGreater(done, 1e6)
        capture.stop()
        esp = "udp port 4500" if encap == "always" else "esp"
        self.assertGreaterEqual(capture.count(esp), 12)
        if outer == inner or inner == "v4":  # nothing of the inner network in clear
            self.assertEqual(capture.count(f"host {host_east}"), 0)

    def test_native_v4_in_v4(self):
        self.check("v4", "v4", "never")

    def test_native_v6_in_v4(self):
        self.check("v4", "v6", "never")

    def test_native_v4_in_v6(self):
        self.check("v6", "v4", "never")

    def test_native_v6_in_v6(self):
        self.check("v6", "v6", "never")

    def test_udp_v4_in_v4(self):
        self.check("v4", "v4", "always")

    def test_udp_v6_in_v4(self):
        self.check("v4", "v6", "always")

    def test_udp_v4_in_v6(self):
        self.check("v6", "v4", "always")

    def test_udp_v6_in_v6(self):
        self.check("v6", "v6", "always")


class Site(unittest.TestCase):
    """The IPv4 site, up, with the west keeping it."""

    def setUp(self):
        self.wire = Wire()
        self.addCleanup(self.wire.world.close)
        self.west_toml = tunnel("192.0.2.2", "10.1.0.0/16", "10.2.0.0/16", "up")
        self.east_toml = tunnel("192.0.2.1", "10.2.0.0/16", "10.1.0.0/16")

    def up(self, **options):
        self.wire.run(self.west_toml, self.east_toml, **options)

    def ping(self, **options):
        return self.wire.west.ping("10.2.0.1", source="10.1.0.1", **options)

    def test_size_that_does_not_fit_is_told(self):
        self.up()
        self.assertTrue(self.ping(size=1300, dont_fragment=True))
        done = self.wire.west.run(["ping", "-n", "-c", "2", "-W", "1", "-s", "1472", "-M", "do",
                                   "-I", "10.1.0.1", "10.2.0.1"], check=False)
        self.assertRegex(done.stdout + done.stderr, r"(?i)frag needed|message too long|mtu=")
        self.assertTrue(self.ping(size=3000), "a packet in fragments")

    def test_nothing_leaves_in_clear_without_an_sa(self):
        """The tunnel is wanted but the peer is silent: packets for it are dropped, not sent."""
        self.wire.b = None
        west = self.wire.world.culvertd(self.wire.west, self.west_toml)
        self.wire.west.route("10.2.0.0/16", "192.0.2.2")
        capture = self.wire.world.capture(self.wire.east, "eth0", "host 10.2.0.1 or host 10.1.0.1")
        self.assertFalse(self.ping(count=2, timeout=1))
        capture.stop()
        self.assertEqual(capture.packets(), [])
        self.assertTrue(west.running())

    def test_spoofed_inner_addresses_are_dropped(self):
        """The east may not send us packets from addresses that the SA does not cover."""
        self.up()
        self.wire.east.address("lo", "10.3.0.1/32")
        self.assertFalse(self.wire.east.ping("10.1.0.1", source="10.3.0.1", timeout=1))
        self.assertTrue(self.ping())

    def test_sigterm_deletes_and_leaves_nothing(self):
        before = {kind: self.wire.west.run(["ip", *kind.split()]).stdout
                  for kind in ("rule", "-6 rule", "route show table all", "-br link")}
        self.up()
        self.wire.a.signal(signal.SIGTERM)
        harness.wait_for(lambda: not self.wire.a.running(), 5, "culvertd ends")
        self.assertEqual(self.wire.a.status, 0)
        harness.wait_for(lambda: not self.wire.b.list_sas().strip(), 5, "the peer hears of it")
        for kind, text in before.items():
            self.assertEqual(self.wire.west.run(["ip", *kind.split()]).stdout, text, kind)
        self.assertFalse(os.path.exists(self.wire.a.path("vici.sock")))

    def test_after_a_crash_it_starts_again(self):
        self.up()
        self.wire.a.signal(signal.SIGKILL)
        harness.wait_for(lambda: not self.wire.a.running(), 5, "culvertd is gone")
        self.wire.a.restart()
        harness.wait_for(lambda: self.wire.a.has_child("site"), 10, self.wire.a.log_tail)
        self.assertTrue(self.ping())
        self.assertEqual(len(re.findall(r"INSTALLED", self.wire.b.list_sas())), 1)

    def test_reload_leaves_what_did_not_change(self):
        self.up()
        spi = re.search(r"spi-in=(\w+)", self.wire.a.list_sas(raw=True))[1]
        other = tunnel("192.0.2.77", "10.1.0.0/16", "10.77.0.0/16", name="other", psk="another")
        self.wire.a.reload(self.west_toml + other)
        harness.wait_for(lambda: "other" in self.wire.a.swanctl("--list-conns").stdout, 5,
                         "the new connection is loaded")
        self.assertIn(spi, self.wire.a.list_sas(raw=True))
        self.wire.a.reload(self.west_toml)
        harness.wait_for(lambda: "other" not in self.wire.a.swanctl("--list-conns").stdout, 5,
                         "it is gone again")
        self.assertIn(spi, self.wire.a.list_sas(raw=True))
        self.assertTrue(self.ping())

    def test_a_broken_file_changes_nothing(self):
        self.up()
        self.wire.a.reload(self.west_toml.replace("peer", "pear"))
        harness.wait_for(lambda: "did you mean 'peer'" in self.wire.a.log_text(), 5,
                         self.wire.a.log_tail)
        self.assertTrue(self.ping())

    def test_operator_takes_it_down_and_up(self):
        self.up()
        self.wire.a.culvert("down", "site")
        self.assertFalse(self.wire.a.has_child("site"))
        done = self.wire.a.culvert("up", "site")
        self.assertTrue(self.wire.a.has_child("site"), done.stdout)
        self.assertTrue(self.ping())

    def test_traffic_brings_up_a_tunnel_on_demand(self):
        self.wire.world.culvertd(self.wire.east, self.east_toml)
        west = self.wire.world.culvertd(
            self.wire.west, tunnel("192.0.2.2", "10.1.0.0/16", "10.2.0.0/16", "demand"))
        self.assertFalse(west.has_child("site"))
        harness.wait_for(self.ping, 10, west.log_tail)
        self.assertTrue(west.has_child("site"))


if __name__ == "__main__":
    harness.main()
