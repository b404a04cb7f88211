#!/usr/bin/env python3
"""Our RADIUS client, accounting and dynamic authorization against FreeRADIUS and its radclient."""

import os
import shutil
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import harness
from harness.freeradius import FreeRadius

DRIVER, FIRST, SECOND = "10.9.1.2", "10.9.1.1", "10.9.2.1"
RECEIVE, SEND = "a1" * 32, "b2" * 16

USERS = f"""
anne Cleartext-Password := "correcthorse"
  Framed-IP-Address = 10.3.0.7,
  Framed-Pool = "staff",
  Filter-Id = "admins",
  Class = "blue",
  Session-Timeout = 3600,
  MS-Primary-DNS-Server = 10.0.0.53,
  MS-MPPE-Recv-Key = 0x{RECEIVE},
  MS-MPPE-Send-Key = 0x{SEND}

bert Cleartext-Password := "b"
  Reply-Message = "hello"

# FreeRADIUS 3.2.1 sends none by itself where no EAP is.
carl Cleartext-Password := "c"
  Message-Authenticator = 0x00,
  MS-MPPE-Recv-Key = 0x{RECEIVE}
"""


class Driver:
    """radius_driver, which takes commands and says what happens (radius_driver.cc)."""

    def __init__(self, namespace, *servers, listen=None):
        program = harness.binary("radius_driver")
        fifo = namespace.world.path("driver.in")
        os.mkfifo(fifo, 0o600)
        words = [*servers, *([f"listen={listen}"] if listen else [])]
        self.process = namespace.start(
            ["sh", "-c", 'exec "$0" "$@" < ' + fifo, program, *words], name="driver")
        self._input = open(fifo, "w", encoding="ascii")  # pylint: disable=consider-using-with
        self._read = 0
        self.expect("ready")

    def say(self, line):
        self._input.write(line + "\n")
        self._input.flush()

    def expect(self, beginning, timeout=20):
        """The next line that begins so; those before it are left behind."""
        def found():
            lines = self.process.log_text().splitlines()
            for number in range(self._read, len(lines)):
                if lines[number].startswith(beginning):
                    self._read = number + 1
                    return lines[number]
            return None
        return harness.wait_for(found, timeout,
                                lambda: f"{beginning!r} in\n{self.process.log_tail()}")

    def lines(self):
        return self.process.log_text().splitlines()


class Radius(unittest.TestCase):
    def setUp(self):
        self.world = self.enterContext(harness.World())
        self.gateway, self.aaa = self.world.ns("gateway"), self.world.ns("aaa")
        self.world.link(self.gateway, f"{DRIVER}/24", self.aaa, f"{FIRST}/24")

    def driver(self, *servers, listen=None):
        driver = Driver(self.gateway, *servers, listen=listen)
        self.addCleanup(driver._input.close)
        return driver

    def second(self, **options):
        namespace = self.world.ns("second")
        self.world.link(self.gateway, "10.9.2.2/24", namespace, f"{SECOND}/24")
        return FreeRadius(namespace, USERS, **options)

    def test_logins_and_what_they_grant(self):
        FreeRadius(self.aaa, USERS)
        driver = self.driver(f"auth=first,{FIRST},1812,testing123")
        driver.say("login anne correcthorse md5")
        self.assertEqual(
            driver.expect("accepted"),
            f"accepted user=anne msk={RECEIVE}{SEND}{'00' * 16} addresses=10.3.0.7 pool=staff "
            "groups=admins,blue dns=10.0.0.53 session=3600 by=first")
        driver.say("login carl c pap")
        self.assertIn(f"msk={RECEIVE}{'00' * 32} ", driver.expect("accepted"))
        driver.say("login anne wrong md5")
        driver.expect("rejected")
        driver.say("login nobody x md5")
        driver.expect("rejected")
        self.assertFalse([line for line in driver.lines() if line.startswith("dropped")])

    def test_a_wrong_secret_is_named(self):
        FreeRadius(self.aaa, USERS)
        driver = self.driver(f"auth=first,{FIRST},1812,other")
        driver.say("login anne correcthorse md5")
        # FreeRADIUS does not answer a request whose Message-Authenticator is wrong.
        self.assertIn("RADIUS is silent: no answer from first (10.9.1.1:1812)",
                      driver.expect("failed"))

    def test_the_second_server_is_used_when_the_first_hangs(self):
        first = FreeRadius(self.aaa, USERS)
        self.second()
        driver = self.driver(f"auth=first,{FIRST},1812,testing123,status",
                             f"auth=second,{SECOND},1812,testing123")
        driver.say("login bert b md5")
        self.assertIn("by=first", driver.expect("accepted"))
        first.pause()
        driver.say("login bert b md5")
        driver.expect("dead first: it does not answer")
        self.assertIn("by=second", driver.expect("accepted"))
        began = time.monotonic()
        driver.say("login bert b md5")  # knows already
        self.assertIn("by=second", driver.expect("accepted"))
        self.assertLess(time.monotonic() - began, 2.0)  # not after all tries
        first.resume()
        driver.expect("alive first", timeout=30)  # asked with Status-Server
        driver.say("login bert b md5")
        self.assertIn("by=first", driver.expect("accepted"))

    def test_a_server_that_is_not_there_is_passed_over_at_once(self):
        self.second()
        driver = self.driver(f"auth=first,{FIRST},1812,testing123",
                             f"auth=second,{SECOND},1812,testing123")
        began = time.monotonic()
        driver.say("login bert b md5")
        driver.expect("dead first: its port is closed")
        self.assertIn("by=second", driver.expect("accepted"))
        self.assertLess(time.monotonic() - began, 2.0)  # not after all tries

    def test_accounting_is_in_the_detail_file(self):
        server = FreeRadius(self.aaa, USERS)
        driver = self.driver(f"acct=first,{FIRST},1813,testing123")
        driver.say("on")
        driver.say("start s1 anne 10.3.0.7")
        octets = (3 << 32) + 17
        driver.say(f"stop s1 {octets} 18 19 20 1")
        driver.say("off")
        driver.expect("acknowledged")
        records = server.wait_for_records(4)
        by_status = {record["Acct-Status-Type"]: record for record in records}
        self.assertEqual(sorted(by_status), ["Accounting-Off", "Accounting-On", "Start", "Stop"])
        stop = by_status["Stop"]
        self.assertEqual((stop["Acct-Session-Id"], stop["User-Name"], stop["Framed-IP-Address"]),
                         ("s1", "anne", "10.3.0.7"))
        self.assertEqual(int(stop["Acct-Input-Octets"]), 17)
        self.assertEqual(int(stop["Acct-Input-Gigawords"]), 3)
        self.assertEqual((stop["Acct-Output-Octets"], stop["Acct-Input-Packets"],
                          stop["Acct-Output-Packets"]), ("18", "19", "20"))
        self.assertEqual(stop["Acct-Terminate-Cause"], "User-Request")
        self.assertEqual(stop["Calling-Station-Id"], "192.0.2.7[500]")

    def test_accounting_waits_for_a_server_that_hangs(self):
        server = FreeRadius(self.aaa, USERS)
        driver = self.driver(f"acct=first,{FIRST},1813,testing123")
        server.pause()
        driver.say("start s1 anne 10.3.0.7")
        driver.say("stop s1 1 2 3 4 6")
        driver.expect("kept RADIUS is silent")
        server.resume()
        driver.expect("acknowledged", timeout=30)
        statuses = [record["Acct-Status-Type"] for record in server.records()]
        # What it found in its queue, it may write again.
        self.assertEqual(sorted(set(statuses)), ["Start", "Stop"])
        self.assertEqual(statuses[-1], "Stop")

    def test_disconnect_and_change_of_authorization(self):
        server = FreeRadius(self.aaa, USERS)
        driver = self.driver(f"acct=first,{FIRST},1813,testing123",
                             listen=f"{DRIVER},3799,{FIRST},testing123")
        driver.say("start s1 anne 10.3.0.7")
        driver.expect("acknowledged")
        now = int(time.time())
        said = server.radclient("disconnect", DRIVER,
                                ['User-Name = "anne"', f"Event-Timestamp = {now}"])
        self.assertIn("Received Disconnect-ACK", said)
        driver.expect("disconnect s1")
        said = server.radclient("coa", DRIVER, ['Acct-Session-Id = "s1"', "Session-Timeout = 60"])
        self.assertIn("Received CoA-ACK", said)
        driver.expect("change s1 session=60")
        said = server.radclient("disconnect", DRIVER, ['User-Name = "bert"'], check=False)
        self.assertIn("Received Disconnect-NAK", said)
        self.assertIn("Error-Cause = Session-Context-Not-Found", said)
        said = server.radclient("coa", DRIVER, ['User-Name = "anne"', 'Framed-Pool = "x"'],
                                check=False)
        self.assertIn("Error-Cause = Unsupported-Attribute", said)
        said = server.radclient("disconnect", DRIVER, ['User-Name = "anne"'], secret="other",
                                check=False)
        self.assertNotIn("Received Disconnect", said)
        driver.expect("ignored its authenticator is wrong")
        said = server.radclient("disconnect", DRIVER, ['User-Name = "anne"',
                                                       f"Event-Timestamp = {now - 900}"],
                                check=False)
        self.assertNotIn("Received Disconnect", said)
        driver.expect("ignored its Event-Timestamp is too old")

    def test_radius_over_tls(self):
        server = FreeRadius(self.aaa, USERS, radsec=True)
        driver = self.driver(f"radsec=first,{FIRST},2083,{server.directory}")
        for _ in range(3):
            driver.say("login anne correcthorse md5")
            self.assertIn(f"msk={RECEIVE}{SEND}", driver.expect("accepted"))
        driver.say("login anne wrong md5")
        driver.expect("rejected")
        server.stop()
        server.restart()
        driver.say("login anne correcthorse md5")  # over a new connection
        driver.expect("accepted")
        server.stop()
        driver.say("login anne correcthorse md5")
        driver.expect("dead first: the connection to it fails")
        self.assertIn("RADIUS is silent", driver.expect("failed", timeout=30))

    def test_radius_over_tls_believes_no_other_certificate(self):
        server = FreeRadius(self.aaa, USERS, radsec=True)
        shutil.copy(server.path("client.pem"), server.path("server.pem"))
        driver = self.driver(f"radsec=first,{FIRST},2083,{server.directory}")
        driver.say("login anne correcthorse md5")
        driver.expect("dead first: the connection to it fails")
        driver.expect("failed", timeout=30)
        self.assertNotIn("Login OK", server.log_text())


if __name__ == "__main__":
    harness.main()
