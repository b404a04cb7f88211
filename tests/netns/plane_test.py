"""The userspace plane between two hosts, without IKE: transport mode, AH, IPComp, traps, rules."""

import os
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import harness

WEST, EAST = {4: "192.0.2.1", 6: "2001:db8::1"}, {4: "192.0.2.2", 6: "2001:db8::2"}


class Pair:
    """Two planes on one wire; `words` as plane_pair.cc tells."""

    def __init__(self, test, family, words, west_ts=None, east_ts=None, mtu=1500, west_words=()):
        self.world = harness.World()
        test.addCleanup(self.world.close)
        program = harness.binary("plane_pair")
        self.west, self.east = self.world.ns("west"), self.world.ns("east")
        for host in (self.west, self.east):  # Debian's setting: loose
            host.sysctl("net.ipv4.conf.all.rp_filter", 2)
        self.world.link(self.west, ["192.0.2.1/24", "2001:db8::1/64"],
                        self.east, ["192.0.2.2/24", "2001:db8::2/64"], mtu=mtu)
        for host, addresses in ((self.west, ("10.1.0.1/32", "fd01::1/128")),
                                (self.east, ("10.2.0.1/32", "fd02::1/128"))):
            for address in addresses:
                host.address("lo", address)
        west, east = WEST[family], EAST[family]
        west_ts, east_ts = west_ts or west, east_ts or east
        self.a = self.west.start([program, "A", west, east, west_ts, east_ts, *words, *west_words])
        self.b = self.east.start([program, "B", east, west, east_ts, west_ts, *words])
        for end in (self.a, self.b):
            end.wait_for_log("ready")

    def report(self, end):
        """What one end says that it carried, after its end."""
        end.signal(signal.SIGTERM)
        end.wait(10)
        return end.log_text()


class Modes(unittest.TestCase):
    def check(self, family, words, transport):
        nets = {4: ("10.1.0.0/16", "10.2.0.0/16"), 6: ("fd01::/64", "fd02::/64")}[family]
        inner = {4: ("10.1.0.1", "10.2.0.1"), 6: ("fd01::1", "fd02::1")}[family]
        west, east = (WEST[family], EAST[family]) if transport else inner
        pair = Pair(self, family, words, *(() if transport else nets))
        capture = pair.world.capture(pair.east, "eth0", "not arp and not icmp6 and not ip6 proto 0")
        self.assertTrue(pair.west.ping(east, source=west, count=3), pair.a.log_text())
        self.assertTrue(pair.east.ping(west, source=east, count=3))
        self.assertTrue(pair.west.ping(east, source=west, size=4000), "more than one packet holds")
        self.assertGreater(pair.west.tcp_throughput(pair.east, east, seconds=1), 1e6)
        capture.stop()
        kind = {"udp": "udp port 4500", "ah": "ah or ip6 proto 51"}.get(words[0], "esp")
        self.assertGreater(capture.count(kind), 12)
        later_fragment = "ip[6:2] & 0x1fff != 0 or ip6 proto 44"
        self.assertEqual(capture.count(f"not ({kind} or {later_fragment})"), 0, "in clear")
        for end in (pair.a, pair.b):
            self.assertRegex(pair.report(end), r"replayed 0, forged 0")

    def test_esp_transport_v4(self):
        self.check(4, ["native", "transport"], True)

    def test_esp_transport_v6(self):
        self.check(6, ["native", "transport", "cbc", "esn"], True)

    def test_esp_transport_udp_v4(self):
        self.check(4, ["udp", "transport"], True)

    def test_esp_transport_udp_v6(self):
        self.check(6, ["udp", "transport", "chacha"], True)

    def test_ah_transport_v4(self):
        self.check(4, ["ah", "transport", "xcbc"], True)

    def test_ah_transport_v6(self):
        self.check(6, ["ah", "transport"], True)

    def test_ah_tunnel_v4(self):
        self.check(4, ["ah", "esn"], False)

    def test_ah_tunnel_v6(self):
        self.check(6, ["ah", "xcbc"], False)

    def test_ipcomp_tunnel(self):
        self.check(4, ["udp", "ipcomp"], False)

    def test_ipcomp_transport(self):
        self.check(6, ["native", "ipcomp", "transport"], True)

    def test_padded_tunnel(self):
        self.check(4, ["udp", "padded"], False)


class Policies(unittest.TestCase):
    def test_first_packet_is_not_lost(self):
        for words in (["udp"], ["transport"]):
            pair = Pair(self, 4, words, *(() if "transport" in words else
                                          ("10.1.0.0/16", "10.2.0.0/16")), west_words=["demand"])
            target = ("10.2.0.1", "10.1.0.1") if words == ["udp"] else (EAST[4], WEST[4])
            self.assertTrue(pair.west.ping(target[0], source=target[1], count=1))
            self.assertIn("acquire", pair.report(pair.a))

    def test_only_tcp_is_protected(self):
        pair = Pair(self, 4, ["transport"], WEST[4] + "[tcp]", EAST[4] + "[tcp]")
        capture = pair.world.capture(pair.east, "eth0", "not arp and not icmp6 and not ip6 proto 0")
        self.assertTrue(pair.west.ping(EAST[4], count=2))
        self.assertTrue(pair.west.ping(EAST[4], size=3000), "in fragments")
        self.assertGreater(pair.west.tcp_throughput(pair.east, EAST[4], seconds=1), 1e6)
        capture.stop()
        self.assertEqual(capture.count("tcp"), 0)
        self.assertGreaterEqual(capture.count("icmp"), 4)
        self.assertGreater(capture.count("esp"), 12)


if __name__ == "__main__":
    harness.main()
