"""culvertd and charon keep tunnels between them: identities, families, NAT, children, deletes,
liveness, rekeying, refusals."""

import os
import re
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
from sites import (CHARON, CHARON6, CULVERT, CULVERT6, IMPATIENT, Pair, Side, connection,
                   site_conf, swanctl_conf)


class OnePair(unittest.TestCase):
    """Tests that share two daemons; each leaves them without SAs."""

    @classmethod
    def setUpClass(cls):
        cls.pair = Pair()

    @classmethod
    def tearDownClass(cls):
        cls.pair.close()

    def setUp(self):
        self.pair.here, self.pair.there = CULVERT, CHARON

    def both_roles(self, child="net"):
        """Yields once per initiator, with the tunnel up; takes it down again."""
        for starter in (self.pair.culvert, self.pair.charon):
            with self.subTest(initiator=starter.name):
                starter.initiate(child)
                yield starter
                starter.terminate("site")
                harness.wait_for(self.pair.empty, 5, "all SAs are gone on both sides")


class Identities(OnePair):
    def check(self, culvert_id, charon_id):
        self.pair.here = Side(CULVERT.address, CULVERT.net, CULVERT.host, culvert_id)
        self.pair.there = Side(CHARON.address, CHARON.net, CHARON.host, charon_id)
        self.pair.load()
        for _ in self.both_roles():
            self.assertTrue(self.pair.ping())

    def test_addresses(self):
        self.check("192.0.2.1", "192.0.2.2")

    def test_none_configured(self):
        self.check(None, None)

    def test_fqdn(self):
        self.check("moon.example.org", "sun.example.org")

    def test_rfc822(self):
        self.check("moon@example.org", "sun@example.org")

    def test_key_id(self):
        self.check("@#6d6f6f6e", "@#73756e0001")

    def test_mixed(self):
        self.check("moon.example.org", "@#73756e")

    def test_wildcard_in_policy(self):
        named = Side(CHARON.address, CHARON.net, CHARON.host, "sun.example.org")
        pattern = Side(CHARON.address, CHARON.net, CHARON.host, "*.example.org")
        self.pair.culvert.load_all(site_conf(CULVERT, pattern))
        self.pair.charon.load_all(site_conf(named, CULVERT))
        self.pair.charon.initiate("net")
        self.assertTrue(self.pair.ping())
        self.pair.charon.terminate("site")

    def test_keys_of_different_owners(self):
        named = Side(CHARON.address, CHARON.net, CHARON.host, "sun.example.org")
        conf = swanctl_conf(connection(CULVERT, named), secret="the wrong one")
        conf = conf.replace("secrets {", """secrets {
  ike-sun {
    id = sun.example.org
    secret = "the right one"
  }""")
        self.pair.culvert.load_all(conf)
        self.pair.charon.load_all(site_conf(named, CULVERT, secret="the right one"))
        for _ in self.both_roles():
            self.assertTrue(self.pair.ping())


class Families(OnePair):
    def check(self, outer_culvert, outer_charon, inner_culvert, inner_charon):
        self.pair.here = Side(outer_culvert.address, inner_culvert.net, inner_culvert.host)
        self.pair.there = Side(outer_charon.address, inner_charon.net, inner_charon.host)
        self.pair.load()
        for _ in self.both_roles():
            self.assertTrue(self.pair.ping() and self.pair.ping_back())

    def test_v4_in_v4(self):
        self.check(CULVERT, CHARON, CULVERT, CHARON)

    def test_v6_in_v4(self):
        self.check(CULVERT, CHARON, CULVERT6, CHARON6)

    def test_v4_in_v6(self):
        self.check(CULVERT6, CHARON6, CULVERT, CHARON)

    def test_v6_in_v6(self):
        self.check(CULVERT6, CHARON6, CULVERT6, CHARON6)

    def test_both_in_one_child(self):
        both = {"net": (f"{CULVERT.net},{CULVERT6.net}", f"{CHARON.net},{CHARON6.net}")}
        back = {"net": (f"{CHARON.net},{CHARON6.net}", f"{CULVERT.net},{CULVERT6.net}")}
        self.pair.load({"children": both}, {"children": back})
        for _ in self.both_roles():
            self.assertTrue(self.pair.ping())
            self.assertTrue(self.pair.ping(source=CULVERT6.host, target=CHARON6.host))


class Life(OnePair):
    CHILDREN = {"net": (CULVERT.net, CHARON.net), "lab": ("10.11.0.0/16", "10.12.0.0/16")}
    BACK = {name: (remote, local) for name, (local, remote) in CHILDREN.items()}

    def load_two(self, esp="aes128gcm16"):
        self.pair.load({"children": self.CHILDREN}, {"children": self.BACK}, esp=esp)

    def check_second_child(self, esp):
        self.load_two(esp)
        for starter in self.both_roles():
            for other in (self.pair.charon, self.pair.culvert):
                if other is not starter:
                    other.initiate("lab")
            self.assertTrue(self.pair.culvert.has_child("net"))
            self.assertTrue(self.pair.culvert.has_child("lab"))
            self.assertTrue(self.pair.ping())
            self.assertTrue(self.pair.ping(source="10.11.0.1", target="10.12.0.1"))

    def test_second_child(self):
        self.check_second_child("aes128gcm16")

    def test_second_child_with_pfs(self):
        self.check_second_child("aes256gcm16-ecp256")

    def test_delete_of_one_child_by_either_side(self):
        self.load_two()
        for starter in self.both_roles():
            starter.initiate("lab")
            for deleter, child in ((self.pair.culvert, "net"), (self.pair.charon, "lab")):
                deleter.swanctl("--terminate", "--child", child, "--timeout", "5")
                for side in (self.pair.culvert, self.pair.charon):
                    harness.wait_for(lambda: not side.has_child(child), 5,
                                     f"{child} is gone at {side.name}")
            starter.initiate("net")

    def test_delete_by_the_responder(self):
        self.pair.load()
        for starter, other in ((self.pair.culvert, self.pair.charon),
                               (self.pair.charon, self.pair.culvert)):
            starter.initiate("net")
            other.terminate("site")
            harness.wait_for(self.pair.empty, 5, "all SAs are gone on both sides")

    def spis(self):
        """Of the IKE SA and its CHILD SAs."""
        return re.findall(r"initiator-spi=(\w+)|spi-in=(\w+)",
                          self.pair.culvert.list_sas(raw=True))

    def check_rekey(self, esp, *what):
        self.load_two(esp)
        for starter in self.both_roles():
            for rekeyer in (self.pair.charon, self.pair.culvert):
                before = self.spis()
                rekeyer.swanctl("--rekey", *what)
                harness.wait_for(lambda: self.spis() != before, 10,
                                 f"new SPIs after a rekey by {rekeyer.name}")
                self.assertTrue(self.pair.ping(count=3) and self.pair.ping_back(count=3))

    def test_child_rekey_by_either_side(self):
        self.check_rekey("aes128gcm16", "--child", "net")

    def test_child_rekey_with_pfs(self):
        self.check_rekey("aes128gcm16-x25519", "--child", "net")

    def test_ike_rekey_by_either_side(self):
        self.check_rekey("aes128gcm16", "--ike", "site")

    def test_raw_list_has_charons_names(self):
        self.pair.load()
        self.pair.culvert.initiate("net")
        names = lambda peer: set(re.findall(r"([a-z0-9-]+)=", peer.list_sas(raw=True)))
        ours, theirs = names(self.pair.culvert), names(self.pair.charon)
        self.pair.culvert.terminate("site")
        # Facts of one role or one platform that charon shows only when they hold.
        optional = {"initiator", "nat-local", "nat-remote", "nat-any", "nat-fake", "tasks-active",
                    "tasks-queued", "tasks-passive"}
        self.assertEqual(ours - optional, theirs - optional)


class Liveness(unittest.TestCase):
    OPTIONS = "dpd_delay = 1s"

    def setUp(self):
        self.pair = Pair(culvert_toml=IMPATIENT)
        self.addCleanup(self.pair.close)
        self.pair.load(options=self.OPTIONS)

    def test_silence_is_answered_by_both(self):
        self.pair.culvert.initiate("net")
        probes = lambda: self.pair.charon.log_text().count("INFORMATIONAL request")
        harness.wait_for(lambda: probes() >= 4, 15, "liveness checks in charon's log")
        self.assertTrue(self.pair.culvert.has_child("net") and self.pair.charon.has_child("net"))
        self.assertTrue(self.pair.ping())

    def test_charon_is_gone(self):
        self.pair.culvert.initiate("net")
        self.pair.charon.signal(signal.SIGKILL)
        harness.wait_for(lambda: not self.pair.culvert.list_sas().strip(), 30,
                         "culvertd gives the dead peer up")

    def test_culvertd_is_gone(self):
        self.pair.culvert.initiate("net")
        self.pair.culvert.signal(signal.SIGKILL)
        harness.wait_for(lambda: not self.pair.charon.list_sas().strip(), 60,
                         "charon gives the dead peer up")


class Nat(unittest.TestCase):
    """inside (behind a masquerading router) - router - outside."""

    def check(self, culvert_inside):
        world = harness.World()
        self.addCleanup(world.close)
        inside, router, outside = world.ns("in"), world.ns("nat"), world.ns("out")
        world.link(inside, "172.16.0.2/24", router, "172.16.0.1/24")
        _, wan = world.link(outside, "198.51.100.2/24", router, "198.51.100.1/24")
        world.nat(router, wan, random_ports=True)
        inside.route("default", "172.16.0.1")
        here = Side("172.16.0.2", "10.1.0.0/16", "10.1.0.1", "inside.example.org")
        there = Side("198.51.100.2", "10.2.0.0/16", "10.2.0.1", "outside.example.org")
        inside.address("lo", "10.1.0.1/32")
        outside.address("lo", "10.2.0.1/32")
        first, second = (world.culvertd, world.charon) if culvert_inside else (world.charon,
                                                                              world.culvertd)
        client, server = first(inside), second(outside)
        client.load_all(site_conf(here, there))
        server.load_all(site_conf(there, here, remote_address="%any"))
        client.initiate("net")
        self.assertTrue(inside.ping("10.2.0.1", source="10.1.0.1"))
        self.assertTrue(outside.ping("10.1.0.1", source="10.2.0.1"))
        raw = (client if culvert_inside else server).list_sas(raw=True)
        self.assertIn("nat-any=yes", raw)
        self.assertIn("encap=yes", raw)
        client.terminate("site")
        harness.wait_for(lambda: not server.list_sas().strip(), 5, "the server has no SA left")

    def test_culvertd_behind_nat(self):
        self.check(True)

    def test_charon_behind_nat(self):
        self.check(False)


class Refusals(OnePair):
    """`culvert why` names the reason in one line, whichever side it lies on."""

    @classmethod
    def setUpClass(cls):
        cls.pair = Pair(culvert_toml=IMPATIENT)

    def refused(self, starter, expected):
        done = starter.initiate("net", timeout=40, check=False)
        self.assertNotEqual(done.returncode, 0)
        why = self.pair.culvert.culvert("why", "site").stdout
        self.assertEqual(len(why.strip().splitlines()), 1, why)
        self.assertRegex(why, expected)
        for peer in (self.pair.culvert, self.pair.charon):
            peer.terminate("site", check=False)

    def both(self, expected, charon_options):
        self.pair.load(charon_options=charon_options)
        for starter in (self.pair.culvert, self.pair.charon):
            with self.subTest(initiator=starter.name):
                self.refused(starter, expected)

    def test_no_common_ike_proposal(self):
        self.both(r"aes256|NO_PROPOSAL_CHOSEN.*x25519", {"ike": "aes256-sha512-modp4096"})

    def test_no_common_esp_proposal(self):
        self.both(r"aes256|NO_PROPOSAL_CHOSEN.*aes128gcm16", {"esp": "aes256-sha256"})

    def test_wrong_key(self):
        self.both(r"keys (of the two sides )?differ", {"secret": "another one"})

    def test_wrong_identity(self):
        stranger = Side(CHARON.address, CHARON.net, CHARON.host, "stranger.example.org")
        expecting = Side(CHARON.address, CHARON.net, CHARON.host, "sun.example.org")
        self.pair.culvert.load_all(site_conf(CULVERT, expecting))
        self.pair.charon.load_all(site_conf(stranger, CULVERT))
        self.refused(self.pair.charon, r"stranger\.example\.org")
        self.refused(self.pair.culvert, r"identit")

    def test_selectors_do_not_overlap(self):
        self.both(r"10\.2\.0\.0/16", {"children": {"net": ("10.99.0.0/16", CULVERT.net)}})

    def test_no_answer(self):
        self.pair.culvert.load_all(site_conf(CULVERT, Side("192.0.2.99", CHARON.net, CHARON.host)))
        done = self.pair.culvert.initiate("net", timeout=40, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertRegex(self.pair.culvert.culvert("why", "site").stdout, r"did not answer")


if __name__ == "__main__":
    harness.main()
