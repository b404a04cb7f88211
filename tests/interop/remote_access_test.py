"""Remote users from nothing: `culvert init server`, `culvert user`, `culvert profile`, and clients
with nothing but the profile and the password: `culvert connect` and strongSwan's charon-cmd."""

import os
import re
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import harness
import road_warriors


class RemoteAccess(unittest.TestCase):
    def setUp(self):
        self.scene = road_warriors.Scene()
        self.addCleanup(self.scene.close)
        self.scene.init()
        self.daemon = self.scene.daemon
        self.client = self.scene.clients["ann"]

    def user(self, name):
        """A new user's profile."""
        self.assertIn("reloaded", self.scene.add(name))
        return self.scene.client_profile(name)

    def connected(self, profile, name="ann"):
        process = self.scene.connect(name, profile)
        process.wait_for_log("Ctrl-C", 20)
        return process

    def refused(self, profile, password=None, name="ann"):
        """What `culvert connect` says when it fails."""
        process = self.scene.connect(name, profile, password)
        self.assertEqual(process.wait(30), 1, process.log_text())
        return process.own_log_text()

    def why(self):
        return self.daemon.culvert("why", "clients").stdout

    def assert_works(self, name, process):
        self.assertTrue(self.scene.clients[name].ping("10.1.0.2", count=3), process.log_text())
        self.assertEqual(self.scene.name_servers(name)[0], road_warriors.DNS)

    def traces(self, name="ann"):
        """What a client leaves on its machine."""
        client = self.scene.clients[name]
        found = [client.run(["ip", *words]).stdout for words in
                 (("rule",), ("-6", "rule"), ("route", "show", "table", "all"), ("link",),
                  ("address",))]
        left = [line for text in found for line in text.splitlines() if "culvert" in line or
                "4501" in line or "10.9.0." in line]
        return left + [server for server in self.scene.name_servers(name)
                       if server == road_warriors.DNS]

    def test_two_users_at_once(self):
        ann = self.connected(self.user("ann"))
        self.scene.add("bob")
        bob = self.scene.charon_cmd("bob")
        bob.wait_for_log("CHILD_SA", 20)
        harness.wait_for(lambda: self.scene.name_servers("bob")[0] == road_warriors.DNS, 10,
                         bob.log_tail)
        self.assert_works("ann", ann)
        self.assert_works("bob", bob)
        status = self.daemon.list_sas()
        self.assertEqual(len(set(re.findall(r"10\.9\.0\.\d+", status))), 2, status)

    def test_connect_until_ctrl_c(self):
        process = self.connected(self.user("ann"))
        self.assertRegex(process.log_text(), r"address +10\.9\.0\.\d+")
        self.assert_works("ann", process)
        self.assertEqual(self.scene.leave(process), 0, process.log_text())
        self.assertEqual(self.traces(), [])
        self.assertEqual(os.listdir(self.scene.path("run")), [])
        harness.wait_for(lambda: not self.daemon.has_child("clients"), 5, "the server hears it")

    def test_disconnect(self):
        profile = self.user("ann")
        process = self.connected(profile)
        self.assertIn("connected already", self.refused(profile))
        words = [harness.binary("culvert"), "disconnect", "--run-dir", self.scene.path("run")]
        self.assertIn("disconnected", self.client.run(words).stdout)
        self.assertEqual(process.wait(20), 0)
        self.assertEqual(self.traces(), [])
        self.assertIn("nothing is connected", self.client.run(words, check=False).stderr)

    def test_a_killed_client_takes_its_daemon_along(self):
        profile = self.user("ann")
        process = self.connected(profile)
        process.signal(signal.SIGKILL)
        process.wait(5)
        harness.wait_for(lambda: not self.traces(), 15, lambda: str(self.traces()))
        self.assert_works("ann", self.connected(profile))

    def test_ports_in_use(self):
        other = self.scene.culvertd(self.client, "")
        process = self.connected(self.user("ann"))
        self.assert_works("ann", process)
        process.signal(signal.SIGTERM)
        self.assertEqual(process.wait(20), 0)
        self.assertTrue(other.running())

    def test_a_wrong_password(self):
        profile = self.user("ann")
        wrong = self.scene.path("wrong")
        with open(wrong, "w", encoding="utf-8") as file:
            file.write("not it\n")
        self.assertRegex(self.refused(profile, wrong), "password")
        self.assertIn("password", self.why())
        self.assertEqual(self.traces(), [])

    def test_disabled_expired_and_removed_users(self):
        ann, bob = self.user("ann"), self.user("bob")
        process = self.connected(ann)
        self.assertIn("ended 1 tunnel", self.scene.user("disable", "ann").stdout)
        process.wait_for_log("the tunnel is down", 10)
        process.stop()
        self.refused(ann)
        self.assertIn("disabled", self.why())
        self.scene.user("expire", "bob", "2020-01-31")
        self.refused(bob, name="bob")
        self.assertIn("expired", self.why())
        self.scene.user("enable", "ann")
        self.connected(ann).stop()
        self.scene.user("remove", "ann")
        self.refused(ann)
        self.assertIn("no such user", self.why())

    def test_a_server_that_comes_back(self):
        process = self.connected(self.user("ann"))
        self.daemon.stop()
        process.wait_for_log("the tunnel is down", 20)
        self.daemon.restart()
        harness.wait_for(lambda: process.log_text().count("Ctrl-C") == 2, 40, process.log_text)
        self.assert_works("ann", process)


class Gateway(unittest.TestCase):
    """nat = true: the table of nftables, and forwarding."""

    def setUp(self):
        self.scene = road_warriors.Scene()
        self.addCleanup(self.scene.close)
        self.scene.init()

    def tables(self):
        return self.scene.server.run(["nft", "list", "ruleset"]).stdout

    def test_the_table_goes_with_the_daemon(self):
        daemon = self.scene.daemon
        harness.wait_for(lambda: "masquerade" in self.tables(), 5, self.tables)
        self.assertIn("maxseg size set 1360", self.tables())
        forwards = self.scene.server.run(["sysctl", "-n", "net.ipv4.ip_forward"]).stdout
        self.assertEqual(forwards.strip(), "1")
        self.assertIn("IPv4 packets are forwarded now", daemon.log_text())
        daemon.stop()
        self.assertEqual(self.tables(), "")

    def test_what_a_killed_daemon_left_goes_too(self):
        daemon = self.scene.daemon
        harness.wait_for(lambda: "masquerade" in self.tables(), 5, self.tables)
        daemon.kill()
        self.assertIn("masquerade", self.tables())
        with open(daemon.config, encoding="utf-8") as file:
            text = file.read()
        with open(daemon.config, "w", encoding="utf-8") as file:
            file.write(text.replace("nat   = true\n", ""))
        daemon.restart()
        harness.wait_for(lambda: self.tables() == "", 5, self.tables)

    def test_reload(self):
        daemon = self.scene.daemon
        with open(daemon.config, encoding="utf-8") as file:
            text = file.read()
        for after in ("clamp_mss = 1200\n", "", "nat = true\nclamp_mss = false\n"):
            with open(daemon.config, "w", encoding="utf-8") as file:
                file.write(text.replace("nat   = true\n", after))
            daemon.culvert("reload")
            harness.wait_for(lambda: (("masquerade" in self.tables()) == ("nat" in after) and
                                      ("maxseg" in self.tables()) == ("1200" in after)), 5,
                             self.tables)


if __name__ == "__main__":
    harness.main()
