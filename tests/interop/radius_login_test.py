#!/usr/bin/env python3
"""charon's users log in through culvertd to FreeRADIUS: methods, accounting, dynamic authorization,
servers that fail."""

import os
import re
import shutil
import sys
import threading
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
import sites
from authentication import Authority, connection, equip
from harness.freeradius import FreeRadius, make_certificates
from sites import Pair, swanctl_conf

SERVER, USER, PASSWORD = "vpn.example.org", "carol", "Ar3etTnp"
GATEWAY, FIRST, SECOND = "10.9.1.2", "10.9.1.1", "10.9.2.1"
USERS = f"""
{USER} Cleartext-Password := "{PASSWORD}"
  Class = "blue",
  Filter-Id = "staff",
  Session-Timeout = 3600,
  Acct-Interim-Interval = 60

client.example.org Cleartext-Password := "unused"
"""
SERVICE = """
[radius]
servers = [{servers}]
secret = "testing123"
timeout = "500ms"
tries = 2
dead_time = "1s"
accounting = true
dynamic_authorization = true
"""


def secret(user=USER, password=PASSWORD):
    return f'secrets {{\n eap-{user} {{\n id = {user}\n secret = "{password}"\n }}\n}}\n'


class Radius(unittest.TestCase):
    """culvertd has a service of `servers`; each test starts those that it needs."""

    servers = f'"{FIRST}"'

    def setUp(self):
        self.pair = Pair(culvert_toml=SERVICE.format(servers=self.servers))
        self.addCleanup(self.pair.close)
        self.aaa = self.pair.world.ns("aaa")
        self.pair.world.link(self.pair.ns_culvert, f"{GATEWAY}/24", self.aaa, f"{FIRST}/24")
        self.authority = Authority(self.pair.world.path("ca"))

    def start(self, users=USERS, **options):
        return FreeRadius(self.aaa, users, **options)

    def start_second(self):
        namespace = self.pair.world.ns("second")
        self.pair.world.link(self.pair.ns_culvert, "10.9.2.2/24", namespace, f"{SECOND}/24")
        return FreeRadius(namespace, USERS)

    def load(self, method=None, password=PASSWORD, extra="", groups="", user=USER,
             trusted=(), own=(None, None)):
        pair = self.pair
        ca = self.authority.certificate
        equip(pair.culvert, *self.authority.issue(SERVER), [ca])
        equip(pair.charon, *own, [ca, *trusted])
        self.culvert_text = connection(
            pair.here, pair.there, f"auth = pubkey\nid = {SERVER}\ncerts = own.pem",
            f"auth = eap-radius\neap_id = %any\n{groups}")
        auth = f"eap-{method}" if method else "eap"
        self.charon_text = connection(
            pair.there, pair.here, f"auth = {auth}\nid = {user}\n{extra}",
            f"auth = pubkey\nid = {SERVER}")
        if method != "tls":
            self.charon_text += secret(user, password)
        pair.culvert.load_all(self.culvert_text)
        pair.charon.load_all(self.charon_text)

    def assert_up(self):
        self.pair.charon.initiate("net")
        self.assertTrue(self.pair.ping() and self.pair.ping_back(), "no traffic")

    def end(self):
        self.pair.charon.terminate("site")
        harness.wait_for(self.pair.empty, 5, "all SAs are gone on both sides")

    def why(self):
        return self.pair.culvert.culvert("why", "site").stdout


class Login(Radius):
    # ---- methods ----

    def test_methods(self):
        for method in ("md5", "mschapv2", "gtc"):
            with self.subTest(method=method):
                radius = self.start(default_eap=method)
                self.load()
                self.assert_up()
                self.assertIn("RADIUS authenticated carol by EAP-",
                              self.pair.culvert.log_text())
                self.end()
                radius.stop()
                shutil.rmtree(radius.directory)

    def test_methods_with_tls(self):
        certificates = self.pair.world.path("radius-ca")
        os.mkdir(certificates)
        make_certificates(certificates)

        def text(name):
            with open(os.path.join(certificates, name), encoding="ascii") as file:
                return file.read()

        trusted = [text("ca.pem")]
        for method in ("ttls", "tls"):
            with self.subTest(method=method):
                radius = self.start(default_eap=method, certificates=certificates)
                if method == "tls":
                    self.load("tls", user="client.example.org", trusted=trusted,
                              own=(text("client.key"), text("client.pem")),
                              extra="certs = own.pem\naaa_id = \"server.example.org\"")
                else:
                    self.load(trusted=trusted, extra="aaa_id = \"server.example.org\"")
                self.assert_up()
                self.end()
                radius.stop()
                shutil.rmtree(radius.directory)

    # ---- refusals ----

    def test_a_wrong_password(self):
        self.start()
        self.load(password="not it")
        self.assertNotEqual(self.pair.charon.initiate("net", check=False).returncode, 0)
        self.assertIn("RADIUS rejected carol", self.why())
        harness.wait_for(self.pair.empty, 5, "all SAs are gone on both sides")

    def test_groups(self):
        self.start()
        self.load(groups="groups = staff, board")
        self.assert_up()
        self.end()
        self.load(groups="groups = board")
        self.assertNotEqual(self.pair.charon.initiate("net", check=False).returncode, 0)
        self.assertIn("carol belongs to the groups: blue, staff; the connection is for: board",
                      self.why())

    # ---- accounting ----

    def counters(self):
        """octets in and out, packets in and out, of all CHILD SAs of culvertd."""
        raw = self.pair.culvert.list_sas(raw=True)
        return [sum(map(int, re.findall(rf"{name}=(\d+)", raw)))
                for name in ("bytes-in", "bytes-out", "packets-in", "packets-out")]

    def children(self):
        return len(re.findall(r"bytes-in=", self.pair.culvert.list_sas(raw=True)))

    def test_accounting_is_what_the_data_plane_counts(self):
        radius = self.start()
        self.load()
        self.assert_up()
        start = radius.wait_for_record("Start")
        self.assertEqual((start["User-Name"], start["Class"]), (USER, "0x626c7565"))
        self.pair.ping(count=5, size=700)
        before = self.counters()
        self.pair.culvert.swanctl("--rekey", "--child", "net")
        harness.wait_for(lambda: self.children() == 1, 15, "the old CHILD SA is gone")
        self.pair.ping(count=3)
        after = self.counters()
        self.end()
        stop = radius.wait_for_record("Stop")
        self.assertEqual(stop["Acct-Session-Id"], start["Acct-Session-Id"])
        self.assertEqual(stop["Acct-Terminate-Cause"], "User-Request")
        sums = [a + b for a, b in zip(before, after)]
        names = ("Acct-Input-Octets", "Acct-Output-Octets", "Acct-Input-Packets",
                 "Acct-Output-Packets")
        self.assertEqual([int(stop[name]) for name in names], sums)
        self.assertGreater(sums[0], 5 * 700)

    def test_accounting_ends_with_the_daemon(self):
        radius = self.start()
        self.load()
        self.assert_up()
        for kind in ("Accounting-On", "Start"):
            radius.wait_for_record(kind)
        self.pair.culvert.stop()
        radius.wait_for_record("Accounting-Off")
        stop = radius.wait_for_record("Stop")
        self.assertEqual(stop["Acct-Terminate-Cause"], "Admin-Reboot")

    # ---- dynamic authorization ----

    def test_disconnect_and_change(self):
        radius = self.start()
        self.load()
        self.assert_up()
        session = radius.wait_for_record("Start")["Acct-Session-Id"]
        reply = radius.radclient("coa", GATEWAY,
                                 [f'User-Name = "{USER}"', "Session-Timeout = 3600"])
        self.assertIn("CoA-ACK", reply)
        self.assertIn("RADIUS has changed the session of carol", self.pair.culvert.log_text())
        reply = radius.radclient("disconnect", GATEWAY, ['User-Name = "nobody"'], check=False)
        self.assertIn("Disconnect-NAK", reply)
        self.assertIn("Session-Context-Not-Found", reply)
        reply = radius.radclient("disconnect", GATEWAY, [f'Acct-Session-Id = "{session}"'])
        self.assertIn("Disconnect-ACK", reply)
        harness.wait_for(self.pair.empty, 5, "all SAs are gone on both sides")
        self.assertEqual(radius.wait_for_record("Stop")["Acct-Terminate-Cause"], "Admin-Reset")

    def test_a_change_shortens_the_session(self):
        radius = self.start()
        self.load()
        self.assert_up()
        radius.radclient("coa", GATEWAY, [f'User-Name = "{USER}"', "Session-Timeout = 1"])
        harness.wait_for(self.pair.empty, 8, "all SAs are gone on both sides")
        self.assertEqual(radius.wait_for_record("Stop")["Acct-Terminate-Cause"],
                         "Session-Timeout")

    def test_the_address_that_radius_gives(self):
        radius = self.start(USERS.replace(
            "  Class", "  Framed-IP-Address = 10.9.9.77,\n  Class", 1))
        self.load()
        net = self.pair.there.net
        self.pair.culvert.load_all(self.culvert_text.replace(f"remote_ts = {net}",
                                                             "remote_ts = dynamic"))
        self.pair.charon.load_all(
            self.charon_text.replace(f"local_ts = {net}", "local_ts = dynamic")
            .replace("version = 2", "version = 2\n    vips = 0.0.0.0"))
        self.pair.charon.initiate("net")
        self.assertIn("10.9.9.77/32", self.pair.charon.list_sas())
        self.assertEqual(radius.wait_for_record("Start")["Framed-IP-Address"], "10.9.9.77")
        radius.radclient("disconnect", GATEWAY, ["Framed-IP-Address = 10.9.9.77"])
        harness.wait_for(self.pair.empty, 5, "all SAs are gone on both sides")

    # ---- configuration ----

    def test_a_reload_takes_other_servers_over_without_cutting_anybody(self):
        first = self.start()
        self.load()
        self.assert_up()
        first.wait_for_record("Start")
        second = self.start_second()
        self.pair.culvert.reload(SERVICE.format(servers=f'"{SECOND}"'))
        harness.wait_for(lambda: "reloaded" in self.pair.culvert.log_text(), 5, "the reload")
        self.assertTrue(self.pair.ping(), "no traffic")
        first.stop()
        self.end()
        second.wait_for_record("Stop")
        self.assert_up()


class Radsec(Radius):
    def over_tls(self, radius, name):
        text = f"""
[radius]
servers = ["{FIRST}"]
ca = "{radius.path('ca.pem')}"
cert = "{radius.path('client.pem')}"
key = "{radius.path('client.key')}"
server_name = "{name}"
accounting = true
"""
        before = self.pair.culvert.log_text().count("reloaded")
        self.pair.culvert.reload(text)
        harness.wait_for(lambda: self.pair.culvert.log_text().count("reloaded") > before, 5,
                         "the reload")

    def test_logins_and_accounting_over_tls(self):
        radius = self.start(radsec=True)
        self.over_tls(radius, "server.example.org")
        self.load()
        self.assert_up()
        for kind in ("Accounting-On", "Start"):
            radius.wait_for_record(kind)
        self.end()
        radius.wait_for_record("Stop")

    def test_another_server_is_not_believed(self):
        radius = self.start(radsec=True)
        self.over_tls(radius, "other.example.org")
        self.load()
        self.assertNotEqual(self.pair.charon.initiate("net", check=False).returncode, 0)
        self.assertIn("no answer from", self.why())
        self.assertNotIn("Login OK", radius.log_text())


class FailOver(Radius):
    servers = f'"{FIRST}", "{SECOND}"'

    def load_beside(self):
        """What load() has loaded, and `lab`, a tunnel of two gateways with a pre-shared key."""
        pair = self.pair
        nets = ("10.11.0.0/16", "10.12.0.0/16")
        pair.culvert.load_all(self.culvert_text + swanctl_conf(sites.connection(
            pair.here, pair.there, name="lab", children={"lab": nets})))
        pair.charon.load_all(self.charon_text + swanctl_conf(sites.connection(
            pair.there, pair.here, name="lab", children={"lab": nets[::-1]})))
        pair.charon.initiate("lab")

    def test_a_server_stops_in_the_middle_of_a_login(self):
        first, second = self.start(hold=True), self.start_second()
        self.load()
        self.load_beside()
        with open(first.path("hold"), "w", encoding="ascii"):
            pass
        outcome = []
        login = threading.Thread(target=lambda: outcome.append(
            self.pair.charon.initiate("net", check=False, timeout=60).returncode))
        login.start()
        harness.wait_for(lambda: os.path.exists(first.path("held")), 10, "the middle of the login")
        first.pause()
        slowest = 0
        while login.is_alive():
            began = time.monotonic()
            self.assertTrue(self.pair.ping(source="10.11.0.1", target="10.12.0.1"), "no traffic")
            self.pair.culvert.list_sas()
            slowest = max(slowest, time.monotonic() - began)
        self.assertLess(slowest, 1.0)
        self.assertNotEqual(outcome, [0])
        self.assertIn(f"RADIUS is silent: no answer from [radius] ({FIRST}:1812) in", self.why())
        self.assert_up()  # by the second one
        self.assertIn("Login OK", second.log_text())
        os.unlink(first.path("hold"))
        first.resume()

    def test_no_server_answers(self):
        first, second = self.start(), self.start_second()
        self.load()
        first.pause()
        second.pause()
        code = self.pair.charon.initiate("net", check=False, timeout=60).returncode
        self.assertNotEqual(code, 0)
        self.assertIn(f"no answer from [radius] ({FIRST}:1812), [radius] ({SECOND}:1812)",
                      self.why())


if __name__ == "__main__":
    harness.main()
