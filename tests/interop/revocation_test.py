"""Certificates that were revoked: what culvertd fetches, from culvert's and openssl's responders
and from plain HTTP servers, before it believes charon."""

import os
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import harness
from authentication import Authority, connection, equip
from harness.process import PATIENCE, run
from sites import Pair, PairTest

MOON, SUN = "moon.example.org", "sun.example.org"
CRL = "http://192.0.2.2:8080/ca.crl"
OCSP = "http://192.0.2.2:8081/"
SILENT = "http://192.0.2.2:8082/"


class Revocation(PairTest):
    """culvertd is moon, charon is sun; charon's namespace has the servers."""

    def setUp(self):
        self.pair = Pair()
        self.addCleanup(self.pair.close)
        self.authority = Authority(self.pair.world.path("ca"))
        self.web = self.pair.world.path("web")
        os.makedirs(self.web)

    def issue_sun(self, *options):
        pair = self.pair
        equip(pair.culvert, *self.authority.issue(MOON), [self.authority.certificate])
        key, certificate = self.authority.issue(SUN, options=options)
        equip(pair.charon, key, certificate, [self.authority.certificate])
        self.certificate = self.file("sun.pem", certificate)

    def file(self, name, text):
        path = self.pair.world.path(name)
        with open(path, "w", encoding="ascii") as output:
            output.write(text)
        return path

    def load(self, revocation):
        pair = self.pair
        remote = f"auth = pubkey\nid = {SUN}\nrevocation = {revocation}"
        pair.culvert.load_all(connection(pair.here, pair.there, f"auth = pubkey\nid = {MOON}",
                                         remote))
        pair.charon.load_all(connection(pair.there, pair.here, f"auth = pubkey\nid = {SUN}",
                                        f"auth = pubkey\nid = {MOON}"))

    def sign_crl(self, *options):
        path = self.authority.path
        text = run(["pki", "--signcrl", "--cacert", path("ca.pem"), "--cakey", path("ca.key"),
                    *options, "--outform", "pem"]).stdout
        self.file("ca.crl", text)
        run(["openssl", "crl", "-in", self.pair.world.path("ca.crl"), "-outform", "der", "-out",
             os.path.join(self.web, "ca.crl")])

    def serve_crl(self):
        server = self.pair.ns_charon.start(
            [sys.executable, "-u", "-m", "http.server", "--bind", "192.0.2.2", "--directory",
             self.web, "8080"], name="http")
        server.wait_for_log("Serving")
        return server

    def assert_up(self):
        self.from_both_sides(self.assert_tunnel)

    def assert_refused(self, *sentences):
        self.from_both_sides(self.assert_no_tunnel, *sentences)

    def test_a_crl(self):
        self.issue_sun("--crl", CRL)
        self.sign_crl()
        self.serve_crl()
        self.load("strict")
        self.assert_up()

    def test_a_crl_that_names_the_peer(self):
        self.issue_sun("--crl", CRL)
        self.sign_crl("--reason", "key-compromise", "--cert", self.certificate)
        self.serve_crl()
        self.load("relaxed")
        self.assert_refused("was revoked on", "key compromise")

    def test_a_stale_crl(self):
        self.issue_sun("--crl", CRL)
        self.sign_crl("--this-update", "01.01.20 00:00:00", "--next-update", "01.02.20 00:00:00")
        self.serve_crl()
        self.load("ifuri")
        self.assert_refused("was to be renewed by 2020-02-01")

    def test_culverts_responder(self):
        self.issue_sun("--ocsp", OCSP)
        path = self.authority.path
        self.sign_crl()
        responder = [harness.binary("culvert"), "pki", "ocsp", "--cacert", path("ca.pem"),
                     "--cakey", path("ca.key"), "--crl", self.pair.world.path("ca.crl"), "--listen",
                     "192.0.2.2:8081"]
        self.pair.ns_charon.start(responder, name="ocsp").wait_for_log("192.0.2.2:8081")
        self.load("strict")
        self.assert_up()

    def test_openssls_responder(self):
        self.issue_sun("--ocsp", OCSP)
        path = self.authority.path
        serial = run(["openssl", "x509", "-in", self.certificate, "-noout", "-serial"]).stdout
        entry = ["R", "301231235959Z", "251101000000Z,keyCompromise",
                 serial.strip().partition("=")[2], "unknown", f"/O=Culvert/CN={SUN}"]
        index = self.file("index.txt", "\t".join(entry) + "\n")
        self.file("index.txt.attr", "unique_subject = no\n")
        self.pair.ns_charon.start(
            ["openssl", "ocsp", "-port", "8081", "-index", index, "-CA", path("ca.pem"),
             "-rkey", path("ca.key"), "-rsigner", path("ca.pem")], name="ocsp").wait_for_log(
                 "waiting")
        self.load("strict")
        self.assert_refused("was revoked on 2025-11-01", "key compromise")

    def test_a_responder_of_strangers(self):
        self.issue_sun("--ocsp", OCSP)
        other = Authority(self.pair.world.path("other"), name="Culvert Test CA")
        path = self.authority.path
        self.sign_crl()
        responder = [harness.binary("culvert"), "pki", "ocsp", "--cacert", path("ca.pem"),
                     "--cert", other.path("ca.pem"), "--key", other.path("ca.key"), "--crl",
                     self.pair.world.path("ca.crl"), "--listen", "192.0.2.2:8081"]
        self.pair.ns_charon.start(responder, name="ocsp").wait_for_log("192.0.2.2:8081")
        self.load("strict")
        self.assert_refused("nothing says whether", OCSP)

    def test_a_silent_responder(self):
        """It holds up nobody else, and ends within the deadline."""
        pair = self.pair
        self.issue_sun("--ocsp", SILENT)
        script = "import socket, time; s = socket.create_server(('192.0.2.2', 8082)); " \
                 "print('silent', flush=True); c = s.accept(); print('asked', flush=True); " \
                 "time.sleep(600)"
        mute = pair.ns_charon.start([sys.executable, "-c", script], name="mute")
        mute.wait_for_log("silent")
        self.load("strict")
        begun = time.monotonic()
        attempt = threading.Thread(target=pair.culvert.initiate, args=("net",),
                                   kwargs={"check": False})
        attempt.start()
        mute.wait_for_log("asked")
        pair.culvert.list_sas()
        self.assertTrue(attempt.is_alive(), "the question is still open")
        attempt.join()
        self.assertLess(time.monotonic() - begun, 8 * PATIENCE)
        self.assertIn("does not answer", pair.culvert.culvert("why", "site").stdout)
        self.assert_refused("the server does not answer")
        self.load("relaxed")
        self.assert_up()


if __name__ == "__main__":
    harness.main()
