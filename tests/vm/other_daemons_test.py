"""culvertd with the kernel's data plane against libreswan and OpenIKED, in a guest."""

import contextlib
import os
import re
import sys
import unittest

FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(FOLDER, ".."))
sys.path.insert(0, os.path.join(FOLDER, "..", "interop"))
import harness
from daemons import IKE, Iked, Pluto
from sites import CHARON as THERE, CULVERT as HERE, IMPATIENT, site_conf

PARTITION = """table inet partition {
  chain arriving { type filter hook prerouting priority -300; iifname "eth0" drop; }
}
"""


class Tunnel:
    """culvertd on one side of a wire, a daemon of this kind on the other."""

    kind = None

    @classmethod
    def setUpClass(cls):
        cls.world = harness.World()
        try:
            cls.ns_culvert, cls.ns_other = cls.world.ns("cul"), cls.world.ns("oth")
            cls.world.link(cls.ns_culvert, "192.0.2.1/24", cls.ns_other, "192.0.2.2/24")
            cls.ns_culvert.address("lo", HERE.host + "/32")
            cls.ns_other.address("lo", THERE.host + "/32")
            cls.ns_other.route(HERE.net, HERE.address)
            cls.culvert = cls.world.culvertd(cls.ns_culvert, IMPATIENT, data_plane="kernel")
            cls.other = cls.kind(cls.ns_other, THERE, HERE)
        except BaseException:
            cls.world.__exit__(RuntimeError, None, None)
            raise

    @classmethod
    def tearDownClass(cls):
        cls.world.__exit__(None, None, None)

    def setUp(self):
        self.load()

    def run(self, result=None):
        bad = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > bad:
            print(self.other.log_tail(), self.culvert.log_tail(), sep="\n", flush=True)

    def tearDown(self):
        if self.other.active:
            self.other.configure()
        self.culvert.terminate("site", check=False)
        self.other.terminate()
        harness.wait_for(lambda: not self.culvert.list_sas().strip(), 20, "no SA is left")

    def load(self, options="dpd_delay = 2s", child_options=""):
        self.culvert.load_all(site_conf(HERE, THERE, ike=IKE, esp=self.kind.esp, options=options,
                                        child_options=child_options))

    def ping(self):
        """Both ways. iked installs its SAs a moment after it has agreed to them."""
        harness.wait_for(lambda: self.ns_culvert.ping(THERE.host, source=HERE.host), 20, "a ping")
        return self.ns_other.ping(HERE.host, source=THERE.host, timeout=10)

    def wait_until_up(self):
        harness.wait_for(lambda: self.culvert.has_child("net"), 20, "the CHILD SA is up")

    def check_up(self):
        self.wait_until_up()
        self.assertTrue(self.ping(), self.ns_culvert.run(["ip", "xfrm", "state"]).stdout)

    def numbers(self):
        """Of the IKE SA: its SPIs; of the CHILD SA: our SPI."""
        text = self.culvert.list_sas(raw=True)
        return (re.findall(r"initiator-spi=(\w+)", text), re.findall(r"spi-in=(\w+)", text))

    def check_rekeyed(self, which, rekey):
        """which: 0 the IKE SA, 1 the CHILD SA."""
        before = self.numbers()[which]
        rekey()
        harness.wait_for(lambda: self.numbers()[which] not in ([], before), 40, "it is rekeyed")
        self.assertTrue(self.ping())

    def states(self, namespace):
        """The kernel's ESP states: source, destination and SPI of each."""
        return sorted(re.findall(r"^src (\S+) dst (\S+)\n\s+proto esp spi (\w+)",
                                 namespace.run(["ip", "xfrm", "state"]).stdout, re.MULTILINE))

    def seen(self):
        """What the two sides have, for a test's complaint."""
        return "\n".join([self.culvert.list_sas(), repr(self.other.sas()),
                          *(repr(self.states(ns)) for ns in (self.ns_culvert, self.ns_other))])

    def is_single(self):
        """Whether there are one IKE SA and one CHILD SA, and the same, on both sides."""
        ikes, children = self.numbers()
        return (len(ikes), len(children)) == (1, 1) == self.other.sas() and \
            len(self.states(self.ns_culvert)) == 2 and \
            self.states(self.ns_culvert) == self.states(self.ns_other)

    def check_single(self):
        # What was replaced is kept for a while, for what is still under way.
        harness.wait_for(self.is_single, 60, self.seen)
        self.assertTrue(self.ping(), self.seen())
        # The first CHILD SA of a new configuration is rekeyed soon, which may have been just now.
        harness.wait_for(self.is_single, 60, self.seen)

    @contextlib.contextmanager
    def partition(self):
        """Meanwhile nothing arrives at either side, and neither is told."""
        sides = (self.ns_culvert, self.ns_other)
        for side in sides:
            side.run(["nft", "-f", "-"], stdin=PARTITION)
        try:
            yield
        finally:
            for side in sides:
                side.run(["nft", "delete", "table", "inet", "partition"])

    def check_partition(self, active):
        """active: both sides try to come back, not culvertd alone."""
        self.load("dpd_delay = 2s\n keyingtries = 0\n unique = replace", "dpd_action = start")
        self.other.configure(active=active)
        if active:
            self.wait_until_up()
        else:
            self.culvert.initiate("net")
        self.check_up()
        with self.partition():
            harness.wait_for(lambda: not self.culvert.has_child("net"), 30, "we notice")
            if self.other.notices_silence:
                harness.wait_for(lambda: self.other.sas() == (0, 0), 30, "it notices")
        harness.wait_for(lambda: self.ns_culvert.ping(THERE.host, source=HERE.host), 60, self.seen)
        self.check_single()

    def test_we_come_back_after_a_partition(self):
        self.check_partition(active=False)

    def test_both_come_back_after_a_partition(self):
        self.check_partition(active=True)

    def test_it_initiates(self):
        self.other.initiate()
        self.check_up()

    def test_we_rekey(self):
        self.culvert.initiate("net")
        self.check_up()
        self.check_rekeyed(1, lambda: self.culvert.swanctl("--rekey", "--child", "net"))
        self.check_rekeyed(0, lambda: self.culvert.swanctl("--rekey", "--ike", "site"))

    def test_it_is_killed(self):
        self.culvert.initiate("net")
        self.check_up()
        self.other.kill()
        harness.wait_for(lambda: not self.culvert.list_sas().strip(), 60,
                         "the silent peer is given up")
        self.ns_other.run(["ip", "xfrm", "state", "flush"])
        self.ns_other.run(["ip", "xfrm", "policy", "flush"])
        self.other.start()
        harness.wait_for(lambda: self.culvert.initiate("net", check=False).returncode == 0, 60,
                         "the tunnel with its successor is up")
        self.check_up()

    def test_we_are_killed(self):
        self.culvert.initiate("net")
        self.check_up()
        self.culvert.kill()
        self.culvert.restart()
        self.load()
        self.culvert.initiate("net")
        self.check_up()


class Libreswan(Tunnel, unittest.TestCase):
    kind = Pluto

    def test_it_rekeys(self):
        self.culvert.initiate("net")
        self.check_up()
        self.check_rekeyed(1, self.other.rekey_child)
        self.check_rekeyed(0, self.other.rekey_ike)


class OpenIked(Tunnel, unittest.TestCase):
    kind = Iked

    def test_it_rekeys(self):
        self.other.configure(active=True, lifetimes="ikelifetime 20 lifetime 15")
        self.check_up()
        self.check_rekeyed(1, lambda: None)
        self.check_rekeyed(0, lambda: None)


if __name__ == "__main__":
    harness.main()
