"""swanctl, vici clients and updown programs find in culvertd what they find in charon."""

import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
from harness.vici import Vici
from sites import CHARON, CULVERT, Pair, connection, swanctl_conf

# What both daemons load beside the site: policies that nothing is negotiated for.
POLICIES = """
  shunts {
    remote_addrs = 127.0.0.1
    children {
      mail { local_ts = %(net)s
        remote_ts = 203.0.113.0/24[tcp/25]
        mode = drop
        start_action = trap }
      lan { local_ts = %(net)s
        remote_ts = 198.51.100.0/24
        mode = pass }
    }
  }
  traps {
    local_addrs = %(address)s
    remote_addrs = 192.0.2.99
    local { auth = psk }
    remote { auth = psk }
    children {
      far { local_ts = %(net)s
        remote_ts = 10.9.0.0/16
        start_action = trap }
    }
  }
  kernel {
    remote_addrs = 192.0.2.98
    if_id_out = 3
    local { auth = psk }
    remote { auth = psk }
    children {
      marked { remote_ts = 10.8.0.0/16
        mark_in = %%unique
        mark_out = 6/0xff
        set_mark_out = %%same
        if_id_in = 9
        interface = eth0
        priority = 77 }
    }
  }
"""

# Nothing to rehearse, so that events and numbers are only those that a test causes.
NO_REKEY = "rekey_time = 0"
CHILD_OPTIONS = """
        priority = 77
        rekey_bytes = 500M
        inactivity = 1h
        dpd_action = restart
"""


def keys(tree):
    """The names in a raw message, each with its place in the tree; lists and values left out."""
    if not isinstance(tree, dict):
        return {}
    return {name: keys(value) for name, value in sorted(tree.items())}


class Swanctl(unittest.TestCase):
    """The same command against both; the answers have the same names, in the same places."""

    @classmethod
    def setUpClass(cls):
        cls.pair = Pair()
        try:
            for side, here, there in ((cls.pair.culvert, CULVERT, CHARON),
                                      (cls.pair.charon, CHARON, CULVERT)):
                site = connection(here, there, options="encap = yes",
                                  child_options=CHILD_OPTIONS)
                side.load_all(swanctl_conf(site, POLICIES % vars(here)))
        except BaseException:
            cls.pair.close(True)
            raise

    @classmethod
    def tearDownClass(cls):
        cls.pair.close()

    def sides(self):
        return (self.pair.culvert, self.pair.charon)

    def both(self, *arguments):
        """stdout and status from culvertd, and from charon."""
        return [(done.stdout + done.stderr, done.returncode) for done in
                (side.swanctl(*arguments, check=False) for side in self.sides())]

    def same_names(self, *arguments):
        ours, theirs = self.both(*arguments, "--raw")
        names = lambda text: sorted(re.findall(r"([\w./-]+)(?==| \{)", text))
        self.assertEqual(names(ours[0]), names(theirs[0]))
        self.assertEqual(ours[1], theirs[1])
        return ours[0]

    def test_list_conns(self):
        raw = self.same_names("--list-conns")
        self.assertIn("mode=PASS", raw)
        self.assertIn("interface=eth0", raw)

    def at_rest(self, raw):
        return "tasks-" not in raw and len(re.findall(r"spi-in=", raw)) == 1

    def test_list_sas(self):
        self.pair.culvert.initiate("net")
        self.addCleanup(self.pair.culvert.terminate, "site")
        # The rekey that is rehearsed leaves traces on both sides for some seconds.
        harness.wait_for(lambda: all(self.at_rest(one.list_sas(raw=True)) for one in self.sides()),
                         30, "the rekey is over")
        raw = [re.sub(r" initiator=yes| nat-\w+=yes| use-\w+=\d+", "",
                      side.list_sas(raw=True)) for side in self.sides()]
        names = [re.findall(r"([\w-]+)(?==| \{)", re.sub(r"net-\d+", "net", text))
                 for text in raw]
        self.assertEqual(names[0], names[1], "same names in the same order")
        self.assertIn("site", self.pair.culvert.swanctl("--list-sas", "--noblock").stdout)

    def test_policies(self):
        for kind in ((), ("--trap",), ("--drop",), ("--pass",), ("--child", "far")):
            ours, theirs = self.both("--list-pols", *kind)
            swap = theirs[0].replace(CHARON.net, CULVERT.net)
            self.assertEqual(sorted(ours[0].split("\n")), sorted(swap.split("\n")), kind)

    def test_install_and_uninstall(self):
        for step in (("--uninstall", "--child", "far"), ("--uninstall", "--child", "far"),
                     ("--install", "--child", "far"), ("--install", "--child", "far"),
                     ("--uninstall", "--child", "mail"), ("--install", "--child", "mail"),
                     ("--install", "--child", "nothing"), ("--install", "--ike", "traps")):
            ours, theirs = self.both(*step)
            self.assertEqual(ours[1], theirs[1], f"{step}: {ours[0]} {theirs[0]}")
        self.test_policies()

    def test_rekey(self):
        self.pair.culvert.initiate("net")
        self.addCleanup(self.pair.culvert.terminate, "site")
        for selector in (("--ike", "nothing"), ("--ike", "site"), (), ("--child", "nothing"),
                         ("--child-id", "4000"), ("--ike-id", "4000")):
            ours, theirs = self.both("--rekey", *selector, "--raw")
            self.assertEqual(ours, theirs, selector)
        listed = self.pair.culvert.list_sas(raw=True)
        number = re.search(r"name=net uniqueid=(\d+)", listed).group(1)
        done = self.pair.culvert.swanctl("--rekey", "--child-id", number, "--raw")
        self.assertIn("success=yes matches=1", done.stdout)
        harness.wait_for(lambda: f"name=net uniqueid={int(number) + 1} " in
                         self.pair.culvert.list_sas(raw=True), 5, "its successor")

    def test_other_commands(self):
        self.assertEqual(*self.both("--flush-certs", "--raw"))
        self.same_names("--stats")
        ours, theirs = self.both("--redirect", "--ike", "nothing", "--gateway", "192.0.2.7")
        self.assertEqual(ours[1], theirs[1])

    def test_unique_ids_count_from_one_for_each_kind(self):
        pair = Pair()
        self.addCleanup(pair.close)
        pair.load(child_options=NO_REKEY)
        for expected in (1, 2):
            pair.culvert.initiate("net")
            found = re.findall(r"uniqueid=(\d+)", pair.culvert.list_sas(raw=True))
            self.assertEqual(found, [str(expected)] * 2)
            pair.culvert.terminate("site")
            harness.wait_for(pair.empty, 5, "all SAs are gone on both sides")


class Watched(unittest.TestCase):
    """Events and counters of what both daemons do with each other."""

    EVENTS = ("ike-updown", "child-updown", "ike-rekey", "child-rekey")

    def setUp(self):
        self.pair = Pair()
        self.addCleanup(self.pair.close)
        self.pair.load(options="encap = yes", child_options=NO_REKEY)
        self.watchers = [Vici(side.vici, self.EVENTS + ("ike-update",)) for side in
                         (self.pair.culvert, self.pair.charon)]
        for watcher in self.watchers:
            self.addCleanup(watcher.close)
            self.assertEqual(watcher.unknown, [])
            watcher.listen()

    def live_through(self):
        """Up, both rekeys by culvertd, down; each step is waited for on both sides."""
        self.pair.culvert.initiate("net")
        for what, event in ((("--child", "net"), "child-rekey"), (("--ike", "site"), "ike-rekey")):
            self.pair.culvert.swanctl("--rekey", *what)
            for watcher in self.watchers:
                harness.wait_for(lambda: watcher.named(event), 10, event)
            harness.wait_for(lambda: "tasks-active" not in self.pair.culvert.list_sas(raw=True), 5,
                             "culvertd is done")
        self.pair.culvert.terminate("site")
        harness.wait_for(self.pair.empty, 10, "all SAs are gone on both sides")

    def test_events_have_charons_names(self):
        self.live_through()
        for event in self.EVENTS:
            with self.subTest(event=event):
                ours, theirs = (watcher.named(event) for watcher in self.watchers)
                self.assertEqual(len(ours), len(theirs))
                for one, other in zip(ours, theirs):
                    self.assertEqual(self.comparable(one), self.comparable(other))
        (rekeyed,) = self.watchers[0].named("child-rekey")
        pair = rekeyed["site"]["child-sas"]["net"]
        self.assertEqual((pair["old"]["uniqueid"], pair["new"]["uniqueid"]), ("1", "2"))
        (rekeyed,) = self.watchers[0].named("ike-rekey")
        self.assertEqual(rekeyed["site"]["old"]["state"], "REKEYING")
        self.assertEqual(rekeyed["site"]["new"]["state"], "ESTABLISHED")

    def comparable(self, event):
        """Its names without facts of one role or one moment."""
        text = repr(keys(event))
        for fact in ("initiator", "nat-local", "nat-remote", "nat-fake", "nat-any",
                     "tasks-active", "tasks-queued", "tasks-passive", "use-in", "use-out",
                     "established", "rekey-time"):
            text = text.replace(f"'{fact}': {{}}, ", "").replace(f", '{fact}': {{}}", "")
        return re.sub(r"net-\d+", "net-N", text)

    def counters(self, peer, *arguments):
        raw = peer.swanctl("--counters", *arguments, "--raw").stdout
        return {name: int(value) for name, value in re.findall(r"([\w-]+)=(\d+)", raw)}

    def test_counters_of_the_two_sides_fit(self):
        self.live_through()
        ours = self.counters(self.pair.culvert, "--name", "site")
        theirs = self.counters(self.pair.charon, "--name", "site")
        self.assertEqual(list(ours), list(theirs), "the same names, in the same order")
        # The responder does not know the connection yet when it gets the first message.
        total = self.counters(self.pair.charon)
        self.assertEqual(self.counters(self.pair.culvert), ours)
        for exchange in ("ike-init", "ike-auth", "create-child", "info"):
            self.assertGreater(ours[f"{exchange}-out-req"], 0)
            for one, other in (("out-req", "in-req"), ("in-resp", "out-resp"),
                               ("in-req", "out-req"), ("out-resp", "in-resp")):
                self.assertEqual(ours[f"{exchange}-{one}"], total[f"{exchange}-{other}"],
                                 f"{exchange}-{one}: {ours} {total}")
        self.assertEqual((ours["ike-rekey-init"], ours["ike-rekey-resp"]), (1, 0))
        self.assertEqual((total["ike-rekey-init"], total["ike-rekey-resp"]), (0, 1))
        self.assertEqual((ours["child-rekey"], total["child-rekey"]), (1, 1))

    def test_counters_are_reset(self):
        self.pair.culvert.initiate("net")
        for side in (self.pair.culvert, self.pair.charon):
            missing = side.swanctl("--counters", "--name", "nothing", "--raw").stdout
            self.assertIn("success=no errmsg=no counters found for this connection", missing)
            side.swanctl("--counters", "--reset")
            self.assertEqual(set(self.counters(side).values()), {0})
            self.assertEqual(self.counters(side, "--name", "site")["ike-auth-out-req"] +
                             self.counters(side, "--name", "site")["ike-auth-out-resp"], 1)
            side.swanctl("--counters", "--reset", "--all")
            self.assertEqual(self.counters(side, "--all"), {})


def monitor(peer):
    """A running swanctl --monitor-sa."""
    return peer.namespace.start(
        [peer._swanctl, "--monitor-sa", "--raw", "--uri", peer.vici], name=f"monitor-{peer.name}",
        env={"STRONGSWAN_CONF": peer.path("swanctl-strongswan.conf"),
             "SWANCTL_DIR": peer.directory})


class MonitorSa(unittest.TestCase):
    def test_tells_of_ups_and_downs(self):
        pair = Pair()
        self.addCleanup(pair.close)
        pair.load(child_options=NO_REKEY)
        # A client that has registered is the only sign that it has.
        clients = [monitor(side) for side in (pair.culvert, pair.charon)]
        def initiated():
            pair.culvert.initiate("net")
            pair.culvert.terminate("site")
            return all("child-updown" in client.log_text() for client in clients)
        harness.wait_for(initiated, 20, "both monitors tell")
        pair.culvert.initiate("net")
        pair.culvert.terminate("site")
        for client in clients:
            for line in ("ike-updown event {up=yes", "child-updown event {up=yes",
                         "ike-updown event {site", "child-updown event {site"):
                client.wait_for_log(line)


if __name__ == "__main__":
    harness.main()
