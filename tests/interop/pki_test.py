"""What culvert pki makes is read by openssl and by strongSwan's pki, and the other way round."""

import base64
import json
import os
import re
import stat
import sys
import tempfile
import unittest
import urllib.error
import urllib.request

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import harness

# Our name of a kind of key, and strongSwan's.
KINDS = {"rsa": ("--type", "rsa", "--size", "2048"),
         "p256": ("--type", "ecdsa", "--size", "256"),
         "p384": ("--type", "ecdsa", "--size", "384"),
         "p521": ("--type", "ecdsa", "--size", "521"),
         "ed25519": ("--type", "ed25519"),
         "ed448": ("--type", "ed448")}
MOON = ("--dn", "C=CH, O=Test, CN=moon", "--san", "moon.example.org", "--san", "192.0.2.1",
        "--san", "ann@example.org")


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def culvert(self, *words, check=True, stdin=None):
        return harness.run([harness.binary("culvert"), "pki", *words], check=check, stdin=stdin,
                           timeout=60)

    def openssl(self, *words, check=True):
        return harness.run(["openssl", *words], check=check, timeout=60)

    def strongswan(self, *words, out=None, check=True):
        """strongSwan's pki; it writes its result to its standard output."""
        done = harness.run(["pki", *words, *(("--outform", "pem") if out else ())], check=check,
                           timeout=60)
        if out:
            with open(self.path(out), "w", encoding="utf-8") as file:
                file.write(done.stdout)
        return done

    def refused(self, *words, because):
        done = self.culvert(*words, check=False)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertRegex(done.stderr, because)

    def make_ca(self, kind="p256", *more):
        self.culvert("gen", *KINDS[kind], "--out", self.path("ca.key"), "--force")
        self.culvert("self", "--in", self.path("ca.key"), "--dn", "C=CH, O=Test, CN=CA", "--ca",
                     "--out", self.path("ca.pem"), "--force", *more)

    def ca_words(self):
        return ("--cacert", self.path("ca.pem"), "--cakey", self.path("ca.key"))

    def make_moon(self, kind="p256", *more, name="moon"):
        self.culvert("gen", *KINDS[kind], "--out", self.path(f"{name}.key"), "--force")
        self.culvert("issue", "--in", self.path(f"{name}.key"), *self.ca_words(), *MOON, "--out",
                     self.path(f"{name}.pem"), "--force", *more)


class EveryKey(Folder):
    def test_others_read_ours(self):
        for kind in KINDS:
            with self.subTest(kind):
                self.make_ca(kind)
                self.make_moon(kind)
                self.openssl("pkey", "-in", self.path("moon.key"), "-check", "-noout")
                self.openssl("verify", "-x509_strict", "-purpose", "sslserver", "-CAfile",
                             self.path("ca.pem"), self.path("moon.pem"))
                seen = self.strongswan("--verify", "--in", self.path("moon.pem"), "--cacert",
                                       self.path("ca.pem")).stdout
                self.assertIn("certificate trusted", seen)
                seen = self.strongswan("--print", "--in", self.path("moon.pem")).stdout
                for word in ("C=CH, O=Test, CN=moon", "moon.example.org", "192.0.2.1",
                             "serverAuth", "clientAuth"):
                    self.assertIn(word, seen)
                seen = self.strongswan("--print", "--type", "priv", "--in",
                                       self.path("moon.key")).stdout
                ids = json.loads(harness.run([harness.binary("culvert"), "--json", "pki", "keyid",
                                              "--in", self.path("moon.key")]).stdout)
                self.assertIn(ids["key-id"], seen)
                self.assertIn(ids["subject-key-id"], seen)

    def test_requests_go_both_ways(self):
        for kind in KINDS:
            with self.subTest(kind):
                self.make_ca(kind)
                self.culvert("gen", *KINDS[kind], "--out", self.path("moon.key"), "--force")
                self.culvert("req", "--in", self.path("moon.key"), *MOON, "--out",
                             self.path("ours.req"), "--force")
                self.openssl("req", "-in", self.path("ours.req"), "-verify", "-noout")
                self.strongswan("--issue", "--type", "pkcs10", "--in", self.path("ours.req"),
                                *self.ca_words(), out="theirs.pem")
                self.openssl("req", "-new", "-key", self.path("moon.key"), "-subj",
                             "/C=CH/CN=sun", "-addext", "subjectAltName=DNS:sun.example.org",
                             "-out", self.path("theirs.req"))
                self.culvert("issue", "--in", self.path("theirs.req"), *self.ca_words(), "--out",
                             self.path("ours.pem"), "--force")
                for name, san in (("theirs.pem", "moon.example.org"),
                                  ("ours.pem", "sun.example.org")):
                    self.culvert("verify", "--in", self.path(name), "--cacert",
                                 self.path("ca.pem"))
                    self.assertIn(san, self.culvert("print", "--in", self.path(name)).stdout)

    def test_we_read_strongswans(self):
        for kind in KINDS:
            with self.subTest(kind):
                self.strongswan("--gen", *KINDS[kind], out="ca.key")
                self.strongswan("--self", "--type", "priv", "--in", self.path("ca.key"), "--ca",
                                "--dn", "C=CH, CN=swan", out="ca.pem")
                self.strongswan("--gen", *KINDS[kind], out="moon.key")
                self.strongswan("--issue", "--type", "priv", "--in", self.path("moon.key"),
                                *self.ca_words(), *MOON, out="moon.pem")
                self.culvert("verify", "--in", self.path("moon.pem"), "--cacert",
                             self.path("ca.pem"))
                self.make_moon(kind, name="ours")  # under strongSwan's CA
                self.openssl("verify", "-CAfile", self.path("ca.pem"), self.path("ours.pem"))
                theirs = self.openssl("pkey", "-in", self.path("moon.key"), "-pubout").stdout
                for name in ("moon.key", "moon.pem"):
                    self.assertEqual(self.culvert("pub", "--in", self.path(name)).stdout, theirs)

    def test_crls(self):
        for kind in KINDS:
            with self.subTest(kind):
                self.make_ca(kind)
                self.make_moon()
                self.culvert("signcrl", *self.ca_words(), "--reason", "key-compromise", "--cert",
                             self.path("moon.pem"), "--serial", "0a0b", "--out",
                             self.path("ours.crl"), "--force")
                self.openssl("crl", "-in", self.path("ours.crl"), "-CAfile", self.path("ca.pem"),
                             "-noout")
                self.strongswan("--signcrl", *self.ca_words(), "--lastcrl", self.path("ours.crl"),
                                out="theirs.crl")
                for name in ("ours.crl", "theirs.crl"):
                    seen = self.openssl("verify", "-crl_check", "-CRLfile", self.path(name),
                                        "-CAfile", self.path("ca.pem"), self.path("moon.pem"),
                                        check=False)
                    self.assertIn("certificate revoked", seen.stderr)
                    self.refused("verify", "--in", self.path("moon.pem"), "--cacert",
                                 self.path("ca.pem"), "--crl", self.path(name),
                                 because="revoked.*key compromise")

    def test_encrypted_and_der(self):
        with open(self.path("password"), "w", encoding="utf-8") as file:
            file.write("sesam\n")
        for kind in KINDS:
            with self.subTest(kind):
                key, der = self.path("key"), self.path("der")
                self.culvert("gen", *KINDS[kind], "--password-file", self.path("password"),
                             "--out", key, "--force")
                self.assertIn("ENCRYPTED", open(key, encoding="utf-8").read())
                self.openssl("pkey", "-in", key, "-passin", "pass:sesam", "-out", der,
                             "-outform", "der")
                public = self.openssl("pkey", "-in", der, "-pubout").stdout
                self.assertEqual(self.culvert("pub", "--in", der).stdout, public)
                self.assertEqual(self.culvert("pub", "--in", key, "--password-file",
                                              self.path("password")).stdout, public)
                self.refused("pub", "--in", key, because="encrypted.*--password-file")


class Contents(Folder):
    def test_extensions_as_asked_for(self):
        self.make_ca("p256", "--pathlen", "1", "--nc-permitted", "example.org", "--nc-excluded",
                     "10.0.0.0/8")
        self.make_moon("p256", "--crl", "http://example.org/ca.crl", "--ocsp",
                       "http://example.org/ocsp", "--flag", "ikeIntermediate", "--serial",
                       "1234abcd", "--cert-policy", "1.3.6.1.4.1.32473.1", "--not-before",
                       "2026-01-02", "--not-after", "2049-03-04T05:06:07Z")
        ca = self.openssl("x509", "-in", self.path("ca.pem"), "-noout", "-text").stdout
        for words in ("CA:TRUE, pathlen:1", "DNS:example.org", "IP:10.0.0.0/255.0.0.0"):
            self.assertIn(words, ca)
        moon = self.openssl("x509", "-in", self.path("moon.pem"), "-noout", "-text").stdout
        for words in ("0x1234abcd", "URI:http://example.org/ca.crl", "1.3.6.1.4.1.32473.1",
                      "OCSP - URI:http://example.org/ocsp", "1.3.6.1.5.5.8.2.2",
                      "Not Before: Jan  2 00:00:00 2026", "Not After : Mar  4 05:06:07 2049"):
            self.assertIn(words, moon)
        self.assertNotIn("TLS Web", moon)

    def test_what_a_ca_may_not_do_is_refused(self):
        self.make_ca("p256", "--pathlen", "0")
        self.make_moon()
        moon = ("--cacert", self.path("moon.pem"), "--cakey", self.path("moon.key"))
        self.refused("issue", "--in", self.path("moon.key"), *moon, "--dn", "CN=x",
                     because="no CA")
        self.refused("issue", "--in", self.path("moon.key"), *self.ca_words(), "--dn", "CN=x",
                     "--ca", because="path length")
        self.refused("issue", "--in", self.path("moon.key"), "--cacert", self.path("ca.pem"),
                     "--cakey", self.path("moon.key"), "--dn", "CN=x", because="another key")
        self.refused("issue", "--in", self.path("moon.key"), *self.ca_words(), because="--dn")
        self.make_ca("p256", "--not-before", "2020-01-01", "--not-after", "2020-02-01")
        self.refused("issue", "--in", self.path("moon.key"), *self.ca_words(), "--dn", "CN=x",
                     because="expired.*2020-02-01")

    def test_verify_says_why(self):
        self.make_ca()
        self.make_moon()
        os.rename(self.path("ca.pem"), self.path("old.pem"))
        self.make_ca()  # of the same name, with another key
        self.refused("verify", "--in", self.path("moon.pem"), "--cacert", self.path("ca.pem"),
                     because="CN=moon|CN=CA")
        self.make_moon("p256", "--not-before", "2020-01-01", "--not-after", "2020-02-01")
        self.refused("verify", "--in", self.path("moon.pem"), "--cacert", self.path("ca.pem"),
                     because="expired")
        self.refused("verify", "--in", self.path("moon.pem"), because="CN=moon")

    def test_files_are_kept_and_keys_are_private(self):
        key = self.path("a.key")
        self.culvert("gen", "--out", key)
        self.assertEqual(stat.S_IMODE(os.stat(key).st_mode), 0o600)
        before = open(key, encoding="utf-8").read()
        self.refused("gen", "--out", key, because="exists.*--force")
        self.assertEqual(open(key, encoding="utf-8").read(), before)
        self.culvert("gen", "--out", key, "--force")
        self.assertNotEqual(open(key, encoding="utf-8").read(), before)
        self.assertEqual(stat.S_IMODE(os.stat(key).st_mode), 0o600)
        self.assertEqual(os.listdir(self.folder), ["a.key"])
        self.refused("gen", "--out", self.path("none/a.key"), because="No such file")

    def test_strongswans_way_of_pipes(self):
        key = self.culvert("gen").stdout
        certificate = self.culvert("self", "--dn", "CN=a", "--outform", "pem", stdin=key).stdout
        self.assertIn("CN=a", self.culvert("print", stdin=certificate).stdout)

    def test_bad_input_is_named(self):
        for name, text in (("empty", ""), ("text", "moon\n"), ("octets", "\0" * 1000),
                           ("pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"),
                           ("torn", "-----BEGIN CERTIFICATE-----\nMIIB")):
            with open(self.path(name), "w", encoding="utf-8") as file:
                file.write(text)
            for command in ("print", "verify", "pub", "keyid"):
                self.refused(command, "--in", self.path(name), because=f"{name}'")
        self.refused("print", "--in", self.path("none"), because="none'.*No such file")

    def test_pkcs12(self):
        self.make_ca()
        self.make_moon()
        with open(self.path("password"), "w", encoding="utf-8") as file:
            file.write("sesam")
        for form in ((), ("--legacy",)):
            self.culvert("export", "--key", self.path("moon.key"), "--in", self.path("moon.pem"),
                         "--cacert", self.path("ca.pem"), "--name", "Moon's", "--password-file",
                         self.path("password"), "--out", self.path("moon.p12"), "--force", *form)
            seen = self.openssl("pkcs12", "-in", self.path("moon.p12"), "-passin", "pass:sesam",
                                "-nodes").stdout
            self.assertIn("Moon's", seen)
            self.assertEqual(seen.count("BEGIN CERTIFICATE"), 2)
            self.assertIn("BEGIN PRIVATE KEY", seen)
            self.assertEqual(stat.S_IMODE(os.stat(self.path("moon.p12")).st_mode), 0o600)


class Ocsp(Folder):
    def setUp(self):
        super().setUp()
        self.make_ca()
        self.make_moon()
        self.make_moon(name="sun")
        self.revoke("sun")

    def revoke(self, name, *more):
        self.culvert("signcrl", *self.ca_words(), "--reason", "superseded", "--cert",
                     self.path(f"{name}.pem"), "--out", self.path("ca.crl"), "--force", *more)

    def start(self, *words):
        responder = harness.Process(
            [harness.binary("culvert"), "pki", "ocsp", "--cacert", self.path("ca.pem"),
             "--listen", "127.0.0.1:0", *words], self.path("ocsp.log"))
        self.addCleanup(responder.stop)
        found = harness.wait_for(lambda: re.search(r"http://\S+/", responder.own_log_text()), 10,
                                 responder.log_tail)
        return found.group()

    def ask(self, url, *names, check=True):
        words = [word for name in names for word in ("-cert", self.path(f"{name}.pem"))]
        done = self.openssl("ocsp", "-issuer", self.path("ca.pem"), "-CAfile",
                            self.path("ca.pem"), "-url", url, *words, check=check)
        return done.stdout + done.stderr

    @staticmethod
    def post(url, body):
        return urllib.request.Request(url, body, {"Content-Type": "application/ocsp-request"})

    def check(self, url):
        seen = self.ask(url, "moon", "sun")
        self.assertIn("Response verify OK", seen)
        self.assertRegex(seen, r"moon\.pem: good")
        self.assertRegex(seen, r"sun\.pem: revoked")
        self.assertIn("Reason: superseded", seen)
        self.assertNotIn("WARNING", seen)  # which it gives for a nonce that is missing

    def test_from_a_crl_that_changes(self):
        url = self.start("--cakey", self.path("ca.key"), "--crl", self.path("ca.crl"))
        self.check(url)
        self.revoke("moon", "--lastcrl", self.path("ca.crl"))
        self.assertRegex(self.ask(url, "moon"), r"moon\.pem: revoked")

    def test_delegated(self):
        self.make_moon("p256", "--flag", "ocspSigning", name="responder")
        self.check(self.start("--cert", self.path("responder.pem"), "--key",
                              self.path("responder.key"), "--crl", self.path("ca.crl")))

    def test_from_an_index(self):
        def serial(name):
            return self.openssl("x509", "-in", self.path(f"{name}.pem"), "-noout",
                                "-serial").stdout.strip().split("=")[1]
        with open(self.path("index.txt"), "w", encoding="utf-8") as file:
            file.write(f"V\t300101000000Z\t\t{serial('moon')}\tunknown\t/CN=moon\n"
                       f"R\t300101000000Z\t260101000000Z,superseded\t{serial('sun')}\tunknown\t"
                       "/CN=sun\n")
        url = self.start("--cakey", self.path("ca.key"), "--index", self.path("index.txt"))
        self.check(url)
        self.make_moon(name="stranger")
        self.assertRegex(self.ask(url, "stranger"), r"stranger\.pem: unknown")

    def test_an_old_crl_answers_nothing(self):
        self.revoke("sun", "--this-update", "2020-01-01", "--next-update", "2020-02-01")
        url = self.start("--cakey", self.path("ca.key"), "--crl", self.path("ca.crl"))
        self.assertIn("trylater", self.ask(url, "moon", check=False))

    def test_get_and_nonsense(self):
        url = self.start("--cakey", self.path("ca.key"), "--crl", self.path("ca.crl"))
        self.openssl("ocsp", "-issuer", self.path("ca.pem"), "-cert", self.path("moon.pem"),
                     "-reqout", self.path("request"), "-no_nonce")
        with open(self.path("request"), "rb") as file:
            request = file.read()
        encoded = urllib.request.quote(base64.b64encode(request), safe="")
        with urllib.request.urlopen(url + encoded, timeout=10) as answer:
            self.assertEqual(answer.headers["Content-Type"], "application/ocsp-response")
            with open(self.path("response"), "wb") as file:
                file.write(answer.read())
        seen = self.openssl("ocsp", "-respin", self.path("response"), "-issuer",
                            self.path("ca.pem"), "-cert", self.path("moon.pem"), "-CAfile",
                            self.path("ca.pem")).stdout
        self.assertRegex(seen, r"moon\.pem: good")
        malformed = bytes.fromhex("30030a0101")
        for body in (b"", b"x", request[:-1], b"\x30" * 16_000):
            with urllib.request.urlopen(self.post(url, body), timeout=10) as answer:
                self.assertEqual(answer.read(), malformed)
        with urllib.request.urlopen(url + "no-base64!", timeout=10) as answer:
            self.assertEqual(answer.read(), malformed)
        with self.assertRaises((urllib.error.HTTPError, ConnectionError, urllib.error.URLError)):
            urllib.request.urlopen(self.post(url, b"\x30" * 1_000_000), timeout=10)
        self.check(url)


if __name__ == "__main__":
    harness.main()
