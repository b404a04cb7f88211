"""Addresses by the configuration payload, with charon in both roles."""

import os
import shutil
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
from sites import CHARON, CULVERT, PSK, Pair, connection, swanctl_conf

RESOLV_CONF = "nameserver 192.0.2.53\n"
POOLS = """pools {
  road {
    addrs = 10.9.0.0/29
    dns = 10.1.0.53
  }
  road6 {
    addrs = fd09::/124
  }
}
"""


def conf(here, there, pools="", **options):
    return swanctl_conf(connection(here, there, **options)) + pools


class Server(unittest.TestCase):
    """culvertd has the pools, charon asks."""

    def setUp(self):
        self.pair = Pair(culvert_toml=None)
        self.addCleanup(self.pair.close)

    def load(self, vips="0.0.0.0", pools="road"):
        pair = self.pair
        pair.culvert.load_all(conf(CULVERT, CHARON, POOLS, options=f"pools = {pools}",
                                   children={"net": (CULVERT.net, "dynamic")}))
        pair.charon.load_all(conf(CHARON, CULVERT, options=f"vips = {vips}",
                                  children={"net": ("dynamic", CULVERT.net)}))

    def test_address_traffic_and_leases(self):
        pair = self.pair
        self.load()
        pair.charon.initiate("net")
        self.assertIn("10.9.0.1", pair.charon.list_sas())
        self.assertIn("remote-vips=[10.9.0.1]", pair.culvert.swanctl("--list-sas", "--raw").stdout)
        self.assertTrue(pair.ns_charon.ping(CULVERT.host, source="10.9.0.1"))
        self.assertTrue(pair.ns_culvert.ping("10.9.0.1", source=CULVERT.host))
        pools = pair.culvert.swanctl("--list-pools", "--leases").stdout
        self.assertRegex(pools, r"road +10\.9\.0\.\d +1 / 0 / 6")
        self.assertRegex(pools, r"10\.9\.0\.1 +online +'192\.0\.2\.2'")
        pair.charon.terminate("site")
        harness.wait_for(pair.empty, 5, "all SAs are gone on both sides")
        pools = pair.culvert.swanctl("--list-pools", "--leases").stdout
        self.assertRegex(pools, r"10\.9\.0\.1 +offline")

    def test_both_families(self):
        self.load("0.0.0.0,::", "road,road6")
        self.pair.charon.initiate("net")
        self.assertIn("remote-vips=[10.9.0.1 fd09::1]",
                      self.pair.culvert.swanctl("--list-sas", "--raw").stdout)

    def test_a_peer_that_asks_for_none(self):
        self.load(vips="")
        self.assertNotEqual(self.pair.charon.initiate("net", check=False).returncode, 0)
        self.assertIn("has not asked", self.pair.culvert.culvert("why", "site").stdout)


class Client(unittest.TestCase):
    """charon has the pool, culvertd asks. The namespace has a resolv.conf of its own."""

    def setUp(self):
        self.pair = Pair()
        self.addCleanup(self.pair.close)
        folder = f"/etc/netns/{self.pair.ns_culvert.full_name}"
        os.makedirs(folder)
        self.addCleanup(shutil.rmtree, folder)
        self.resolv_conf = os.path.join(folder, "resolv.conf")
        with open(self.resolv_conf, "w", encoding="ascii") as file:
            file.write(RESOLV_CONF)
        # ip netns exec lays it over /etc/resolv.conf.
        self.pair.culvert.stop()
        self.pair.culvert.restart()

    def name_servers(self):
        with open(self.resolv_conf, encoding="ascii") as file:
            return file.read()

    def test_address_route_and_traffic(self):
        pair = self.pair
        pair.charon.load_all(conf(CHARON, CULVERT, POOLS, options="pools = road",
                                  children={"net": (CHARON.net, "dynamic")}))
        pair.culvert.load_all(conf(CULVERT, CHARON, options="vips = 0.0.0.0",
                                   children={"net": ("dynamic", CHARON.net)}))
        pair.culvert.initiate("net")
        self.assertIn("nameserver 10.1.0.53\n", self.name_servers())
        self.assertIn("local-vips=[10.9.0.1]", pair.culvert.swanctl("--list-sas", "--raw").stdout)
        self.assertIn("10.9.0.1", pair.culvert.culvert("status").stdout)
        self.assertIn("10.9.0.1", pair.ns_culvert.run(["ip", "address"]).stdout)
        # The route leads there with the address as its source.
        route = pair.ns_culvert.run(["ip", "route", "get", CHARON.host]).stdout
        self.assertIn("src 10.9.0.1", route)
        self.assertTrue(pair.ns_culvert.ping(CHARON.host))
        pair.culvert.swanctl("--rekey", "--ike", "site", "--reauth")
        harness.wait_for(lambda: "local-vips=[10.9.0.1]" in
                         pair.culvert.swanctl("--list-sas", "--raw").stdout, 10, "reauthentication")
        self.assertTrue(pair.ns_culvert.ping(CHARON.host))
        pair.culvert.terminate("site")
        harness.wait_for(pair.empty, 10, "all SAs are gone on both sides")
        self.assertNotIn("10.9.0.1", pair.ns_culvert.run(["ip", "address"]).stdout)
        self.assertEqual(self.name_servers(), RESOLV_CONF)


class Restart(unittest.TestCase):
    """A lease is the peer's again after culvertd was started anew."""

    TOML = f"""[tunnel.site]
peer = "192.0.2.2"
psk = "{PSK}"
local = "{CULVERT.net}"
pool = "10.9.0.0/24"
dns = "10.1.0.53"
"""

    def test_the_lease_is_kept(self):
        pair = Pair(culvert_toml=self.TOML)
        self.addCleanup(pair.close)
        pair.charon.load_all(conf(CHARON, CULVERT, options="vips = 10.9.0.77",
                                  children={"net": ("dynamic", CULVERT.net)}))
        pair.charon.initiate("net")
        self.assertIn("10.9.0.77", pair.culvert.swanctl("--list-pools", "--leases").stdout)
        pair.charon.terminate("site")
        harness.wait_for(pair.empty, 5, "all SAs are gone on both sides")
        pair.culvert.stop()
        pair.culvert.restart()
        pair.charon.load_all(conf(CHARON, CULVERT, options="vips = 0.0.0.0",
                                  children={"net": ("dynamic", CULVERT.net)}))
        pair.charon.initiate("net")
        self.assertIn("10.9.0.77", pair.culvert.swanctl("--list-pools", "--leases").stdout)
        self.assertIn("10.9.0.77", pair.charon.list_sas())


if __name__ == "__main__":
    harness.main()
