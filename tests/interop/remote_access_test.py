"""Remote users: a server, `culvert user` and `culvert profile` on it, and clients that connect with
nothing but the profile and the password: `culvert connect`.

    client 192.0.2.9 ===== 192.0.2.1 server 10.1.0.1 - 10.1.0.2 host
"""

import os
import re
import signal
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import harness

SERVER = "192.0.2.1"
TOML = """users = "users.toml"

[tunnel.clients]
cert  = "server.pem"
eap   = "mschapv2"
local = ["10.1.0.0/16"]
"""


class RemoteAccess(unittest.TestCase):
    def setUp(self):
        self.world = harness.World()
        self.addCleanup(self.world.close)
        self.server, self.host = self.world.ns("server"), self.world.ns("host")
        self.client = self.world.ns("client")
        self.world.link(self.server, f"{SERVER}/24", self.client, "192.0.2.9/24")
        self.world.link(self.server, "10.1.0.1/16", self.host, "10.1.0.2/16")
        self.server.forward()
        self.host.route("default", "10.1.0.1")
        self.daemon = self.serve()

    def serve(self):
        files = {"users.toml": ""}
        folder = self.world.path("pki")
        os.mkdir(folder)
        for name, words in (("ca", ("self", "--ca", "--dn", "CN=Test CA")),
                            ("server", ("issue", "--cacert", f"{folder}/ca.pem", "--cakey",
                                        f"{folder}/ca.key", "--dn", "CN=server", "--san",
                                        SERVER))):
            key = f"{folder}/{name}.key"
            self.run_culvert("pki", "gen", "--out", key)
            self.run_culvert("pki", *words, "--in", key, "--out", f"{folder}/{name}.pem")
            for ending in ("key", "pem"):
                with open(f"{folder}/{name}.{ending}", encoding="utf-8") as file:
                    files[f"{name}.{ending}"] = file.read()
        return self.world.culvertd(self.server, TOML, files)

    def run_culvert(self, *words, check=True, stdin=None):
        return harness.run([harness.binary("culvert"), *words], check=check, stdin=stdin,
                           timeout=60)

    def user(self, command, *words, check=True):
        return self.daemon.culvert("user", command, "--config", self.daemon.config, *words,
                                   check=check)

    def add(self, name):
        """A new user's profile and the file with the password."""
        said = self.user("add", name).stdout
        self.assertIn("reloaded", said)
        password = self.world.path(f"{name}.password")
        with open(password, "w", encoding="utf-8") as file:
            file.write(re.search(r"password: (\S+)", said).group(1) + "\n")
        profile = self.world.path(f"{name}.toml")
        self.run_culvert("profile", name, "--for", "culvert", "--config", self.daemon.config,
                         "-o", profile)
        return profile, password

    def connect(self, profile, password):
        process = self.client.start(
            [harness.binary("culvert"), "connect", profile, "--password-file", password,
             "--run-dir", self.world.path("run")], name="connect")
        return process

    def connected(self, profile, password):
        process = self.connect(profile, password)
        process.wait_for_log("connected\n", 20)
        return process

    def refused(self, profile, password):
        """What `culvert connect` says when it fails."""
        process = self.connect(profile, password)
        self.assertEqual(process.wait(30), 1, process.log_text())
        return process.own_log_text()

    def traces(self):
        """What a client leaves on its machine."""
        found = [self.client.run(["ip", *words]).stdout for words in
                 (("rule",), ("-6", "rule"), ("route", "show", "table", "all"), ("link",))]
        return [line for text in found for line in text.splitlines() if "culvert" in line or
                "4501" in line]

    def test_connect_until_ctrl_c(self):
        process = self.connected(*self.add("ann"))
        self.assertTrue(self.client.ping("10.1.0.2", count=3), process.log_text())
        self.assertIn("10.1.0.0/16", process.log_text())
        process.signal(signal.SIGINT)
        self.assertEqual(process.wait(20), 0, process.log_text())
        self.assertEqual(self.traces(), [])
        self.assertEqual(os.listdir(self.world.path("run")), [])
        harness.wait_for(lambda: not self.daemon.has_child("clients"), 5, "the server hears it")

    def test_disconnect(self):
        ann = self.add("ann")
        process = self.connected(*ann)
        self.assertIn("connected already", self.refused(*ann))
        words = [harness.binary("culvert"), "disconnect", "--run-dir", self.world.path("run")]
        self.assertIn("disconnected", self.client.run(words).stdout)
        self.assertEqual(process.wait(20), 0)
        self.assertEqual(self.traces(), [])
        self.assertIn("nothing is connected", self.client.run(words, check=False).stderr)

    def test_a_killed_client_takes_its_daemon_along(self):
        ann = self.add("ann")
        process = self.connected(*ann)
        process.signal(signal.SIGKILL)
        process.wait(5)
        harness.wait_for(lambda: not self.traces(), 15, lambda: self.traces())
        self.connected(*ann)
        self.assertTrue(self.client.ping("10.1.0.2"))

    def test_ports_in_use(self):
        other = self.world.culvertd(self.client, "")
        process = self.connected(*self.add("ann"))
        self.assertTrue(self.client.ping("10.1.0.2", count=3), process.log_text())
        process.signal(signal.SIGTERM)
        self.assertEqual(process.wait(20), 0)
        self.assertTrue(other.running())

    def test_a_wrong_password(self):
        profile, _ = self.add("ann")
        wrong = self.world.path("wrong")
        with open(wrong, "w", encoding="utf-8") as file:
            file.write("not it\n")
        self.assertRegex(self.refused(profile, wrong), "password")
        self.assertIn("password", self.daemon.culvert("why", "clients").stdout)
        self.assertEqual(self.traces(), [])

    def test_disabled_expired_and_removed_users(self):
        ann, bob = self.add("ann"), self.add("bob")
        process = self.connected(*ann)
        said = self.user("disable", "ann").stdout
        self.assertIn("ended 1 tunnel", said)
        process.wait_for_log("the tunnel is down", 10)
        process.stop()
        self.refused(*ann)
        self.assertIn("disabled", self.daemon.culvert("why", "clients").stdout)
        self.user("expire", "bob", "2020-01-31")
        self.refused(*bob)
        self.assertIn("expired", self.daemon.culvert("why", "clients").stdout)
        self.user("enable", "ann")
        self.connected(*ann).stop()
        self.user("remove", "ann")
        self.refused(*ann)
        self.assertIn("no such user", self.daemon.culvert("why", "clients").stdout)

    def test_a_server_that_comes_back(self):
        process = self.connected(*self.add("ann"))
        self.daemon.stop()
        process.wait_for_log("the tunnel is down", 20)
        self.daemon.restart()
        harness.wait_for(lambda: process.log_text().count("connected\n") == 2, 40,
                         process.log_text)
        self.assertTrue(self.client.ping("10.1.0.2", count=3), process.log_text())


if __name__ == "__main__":
    harness.main()
