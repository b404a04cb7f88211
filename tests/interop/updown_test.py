"""updown programs: what charon tells them, culvertd tells them; what they do harms nothing."""

import os
import re
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
from sites import CHARON, CULVERT, Pair, connection, swanctl_conf

# Writes its environment in one go, as several may run at a time.
RECORDER = """#!/bin/sh
text=$(env | sort)
printf '%s\\n\\n' "$text" >> "$1"
echo "recorded $PLUTO_VERB"
"""

NETS = {"net": ("10.1.0.0/16,10.11.0.0/16,fd01::/64", "10.2.0.0/16[tcp/80],fd02::/64"),
        "range": ("10.1.0.1/32", "10.3.0.1/32[udp/1000-2000]")}
BACK = {name: (remote, local) for name, (local, remote) in NETS.items()}
OPTIONS = "hostaccess = yes"


def executable(path, text):
    with open(path, "w", encoding="utf-8") as script:
        script.write(text)
    os.chmod(path, 0o755)
    return path


class Environment(unittest.TestCase):
    def calls(self, kind):
        """What the program was told while one side of this kind set two children up and down."""
        with harness.World() as world:
            here, there = world.ns("here"), world.ns("there")
            world.link(here, "192.0.2.1/24", there, "192.0.2.2/24")
            for address in ("10.1.0.1/32", "10.11.0.1/32", "fd01::1/128"):
                here.address("lo", address)
            for address in ("10.2.0.1/32", "10.3.0.1/32", "fd02::1/128"):
                there.address("lo", address)
            side, peer = getattr(world, kind)(here), world.charon(there)
            record = world.path("record")
            hook = executable(world.path("hook"), RECORDER)
            mine = connection(CULVERT, CHARON, children=NETS, options="encap = yes",
                              child_options=f"{OPTIONS}\n updown = {hook} {record}")
            side.load_all(swanctl_conf(mine))
            peer.load_all(swanctl_conf(connection(CHARON, CULVERT, children=BACK,
                                                  options="encap = yes")))
            side.initiate("net")
            side.initiate("range")
            side.swanctl("--rekey", "--ike", "site")
            harness.wait_for(lambda: "site: #2" in side.list_sas(), 5, "the successor")
            side.swanctl("--terminate", "--child", "range")
            side.terminate("site")
            harness.wait_for(lambda: len(self.read(record)) == 8, 10,
                             lambda: f"8 calls, not {len(self.read(record))}")
            harness.wait_for(lambda: side.log_text().count("recorded down-client") == 4, 5,
                             "their output in the log")
            return self.read(record)

    def read(self, record):
        if not os.path.exists(record):
            return []
        with open(record, encoding="utf-8") as text:
            blocks = text.read().split("\n\n")
        return [{name: value for name, value in
                 (line.split("=", 1) for line in block.splitlines()) if name.startswith("PLUTO_")}
                for block in blocks if block.strip()]

    def test_is_the_same_as_charons(self):
        ours, theirs = self.calls("culvertd"), self.calls("charon")
        order = lambda calls: sorted(calls, key=lambda call: sorted(call.items()))
        self.assertEqual(order(ours), order(theirs))
        for child in NETS:
            verbs = [call["PLUTO_VERB"].split("-")[0] for call in ours
                     if call["PLUTO_CONNECTION"] == child]
            self.assertEqual(verbs, sorted(verbs, reverse=True), "up before down")


class Misbehaviour(unittest.TestCase):
    """A tunnel does not care about its program."""

    def setUp(self):
        self.pair = Pair()
        self.addCleanup(self.pair.close)

    def load(self, script):
        hook = executable(self.pair.world.path("hook"), "#!/bin/sh\n" + script)
        self.pair.load({"child_options": f"updown = {hook}"}, {})

    def check_tunnel(self):
        self.pair.culvert.initiate("net")
        self.assertTrue(self.pair.ping())
        self.pair.culvert.terminate("site")
        harness.wait_for(self.pair.empty, 5, "all SAs are gone on both sides")

    def test_failing(self):
        self.load("exit 3\n")
        self.check_tunnel()
        self.pair.culvert.wait_for_log("ended with status 3 on up-client")
        self.pair.culvert.wait_for_log("ended with status 3 on down-client")

    def test_crashing(self):
        self.load("kill -SEGV $$\n")
        self.check_tunnel()
        # Whether the shell tells of it or has become the program depends on the shell.
        ended = re.compile(r"(ended with status 139|was ended by signal 11) on up-client")
        harness.wait_for(lambda: ended.search(self.pair.culvert.log_text()), 5, "its end is told")

    def test_missing(self):
        self.pair.load({"child_options": "updown = /nonexistent/hook"}, {})
        self.check_tunnel()
        self.pair.culvert.wait_for_log("/nonexistent/hook` ended with status 127")

    def test_noisy(self):
        self.load("yes noise | head -n 1000000\n")
        self.check_tunnel()
        self.pair.culvert.wait_for_log("more lines")
        self.assertLess(self.pair.culvert.log_text().count("updown: noise"), 1000)

    def test_stalled(self):
        pids = self.pair.world.path("pids")
        self.load(f"sleep 1000 & echo $! $$ >> {pids}\nwait\n")
        started = time.monotonic()
        self.check_tunnel()
        self.check_tunnel()
        self.assertLess(time.monotonic() - started, 10, "set-ups do not wait for the program")
        harness.wait_for(lambda: os.path.exists(pids), 5, "the program runs")
        self.assertEqual(self.pair.culvert.stop(20), 0)
        with open(pids, encoding="utf-8") as text:
            alive = [pid for pid in text.read().split() if self.runs(pid)]
        self.assertEqual(alive, [], "nothing of it is left")

    def runs(self, pid):
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
                return not re.search(r"\) [ZX] ", stat.read())
        except FileNotFoundError:
            return False

    def test_the_last_ones_end_before_the_daemon_does(self):
        done = self.pair.world.path("done")
        self.load(f"sleep 0.3\necho $PLUTO_VERB >> {done}\n")
        self.pair.culvert.initiate("net")
        self.assertEqual(self.pair.culvert.stop(20), 0)
        with open(done, encoding="utf-8") as text:
            self.assertEqual(text.read().split(), ["up-client", "down-client"])


if __name__ == "__main__":
    harness.main()
