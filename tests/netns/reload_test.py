"""A reload of the configuration file touches what differs, and says what becomes of it."""

import os
import re
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import harness

TUNNEL = """
[tunnel.site]
peer = "{peer}"
psk = "a key that both sides know"
{tunnel}

[tunnel.site.child.office]
local = "{office[0]}"
remote = "{office[1]}"
{office_more}

[tunnel.site.child.lab]
local = "10.{lab[0]}.0.0/16"
remote = "10.{lab[1]}.0.0/16"
"""


def toml(peer, here=1, there=2, tunnel="", office=None, office_more="", keep="passive"):
    office = office or (f"10.{here}.0.0/16", f"10.{there}.0.0/16")
    return TUNNEL.format(peer=peer, tunnel=f'keep = "{keep}"\n{tunnel}', office=office,
                         office_more=office_more, lab=(here + 10, there + 10))


class Reload(unittest.TestCase):
    def setUp(self):
        self.world = harness.World()
        self.addCleanup(self.world.close)
        west, east = self.world.ns("west"), self.world.ns("east")
        self.world.link(west, "192.0.2.1/24", east, "192.0.2.2/24")
        self.east = self.world.culvertd(east, toml("192.0.2.1", 2, 1))
        self.west = self.world.culvertd(west, toml("192.0.2.2", keep="up"))
        self.up()

    def up(self):
        harness.wait_for(lambda: self.west.has_child("office") and self.west.has_child("lab"), 10,
                         lambda: f"both children are up\n{self.west.list_sas()}")

    def spis(self):
        """By name: of the IKE SA and of the installed CHILD SAs."""
        raw = self.west.list_sas(raw=True)
        found = dict(re.findall(r"name=(\w+) uniqueid=\d+ reqid=\d+ state=INSTALLED.*?spi-in=(\w+)",
                                raw))
        found["ike"] = re.search(r"initiator-spi=(\w+)", raw).group(1)
        return found

    def reload(self, **changes):
        """What `culvert reload` prints of the new file."""
        self.west.write_config(toml("192.0.2.2", **{"keep": "up", **changes}))
        return self.west.culvert("reload").stdout

    def test_nothing_is_different(self):
        before = self.spis()
        self.assertIn("nothing is different", self.reload())
        self.assertEqual(self.spis(), before)

    def test_what_can_be_taken_over_is(self):
        before = self.spis()
        said = self.reload(tunnel='dpd = "1s"\nike_rekey = "30m"', office_more='esp_rekey = "10m"')
        self.assertIn("site: dpd, ike_rekey changed, in force now; "
                      "child office: esp_rekey changed, in force now", said)
        self.assertEqual(self.spis(), before)
        raw = self.west.list_sas(raw=True)
        rekey_times = [int(seconds) for seconds in re.findall(r"rekey-time=(\d+)", raw)]
        self.assertLessEqual(rekey_times[0], 1800)  # of the IKE SA
        self.assertEqual(sum(seconds <= 600 for seconds in rekey_times), 1)  # office, not lab
        counted = lambda: int(re.search(r"info-out-req=(\d+)", self.west.swanctl(
            "--counters", "--name", "site", "--raw").stdout).group(1))
        harness.wait_for(lambda: counted() >= 2, 10, "liveness checks every second")
        self.assertEqual(self.spis(), before)

    def test_a_child_is_negotiated_anew_alone(self):
        before = self.spis()
        said = self.reload(office=("10.1.0.0/24", "10.2.0.0/16"))
        self.assertIn("child office: local changed, its CHILD SAs are negotiated anew", said)
        harness.wait_for(lambda: "10.1.0.0/24" in self.west.list_sas(), 10, "the new selectors")
        self.up()
        after = self.spis()
        self.assertNotEqual(after["office"], before["office"])
        self.assertEqual((after["ike"], after["lab"]), (before["ike"], before["lab"]))
        live = re.sub(r"(?m)^  \S+: #\d+, reqid \d+, DELETED(.*\n(?:    .*\n)*)", "",
                       self.west.list_sas())
        self.assertNotIn("10.1.0.0/16", live)

    def test_the_whole_is_set_up_anew(self):
        before = self.spis()
        said = self.reload(tunnel='ike = "aes256gcm16-prfsha384-x25519"')
        self.assertIn("site: ike changed, its IKE SA is set up anew", said)
        self.east.reload(toml("192.0.2.1", 2, 1, tunnel='ike = "aes256gcm16-prfsha384-x25519"'))
        harness.wait_for(lambda: self.west.list_sas().count("INSTALLED") == 2 and
                         self.spis()["ike"] != before["ike"], 20, "another IKE SA")

    def test_a_file_with_a_mistake_changes_nothing(self):
        before = self.spis()
        with open(self.west.config, "a", encoding="utf-8") as file:
            file.write("lcoal = 1\n")
        done = self.west.culvert("reload", check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("unknown key 'lcoal'", done.stderr)
        self.assertEqual(self.spis(), before)

    def test_vici_leaves_existing_sas_alone(self):
        """load-conn is for the future, as in charon, but for what start_action = start began."""
        before = self.spis()
        self.reload(keep="passive")
        conf = """connections { site { version = 2
            remote_addrs = 192.0.2.2
            dpd_delay = 7s
            local { auth = psk }
            remote { auth = psk }
            children { office { local_ts = 10.1.0.0/24 } } } }"""
        self.west.load_all(conf)
        self.assertIn("dpd delay 7s", self.west.swanctl("--list-conns").stdout)
        self.assertEqual(self.spis(), before)
        self.assertIn("10.1.0.0/16", self.west.list_sas())


if __name__ == "__main__":
    harness.main()
