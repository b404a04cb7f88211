"""culvert init server, user and profile: their files are read by openssl and by other parsers, and
survive what people do to them."""

import base64
import configparser
import json
import os
import plistlib
import re
import stat
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import harness

NAME = "vpn.example.org"


class Folder(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = os.path.join(folder.name, "culvert")
        self.config = self.path("culvert.toml")

    def path(self, name):
        return os.path.join(self.folder, name)

    def text(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)

    def culvert(self, *words, check=True, stdin=None):
        uri = f"unix://{self.path('nobody.sock')}"
        return harness.run([harness.binary("culvert"), "--uri", uri, *words], check=check,
                           stdin=stdin, timeout=120)

    def init(self, *words, name=NAME, check=True):
        return self.culvert("init", "server", "--name", name, "--dir", self.folder, *words,
                            check=check)

    def user(self, command, *words, check=True, stdin=None):
        return self.culvert("user", command, "--config", self.config, *words, check=check,
                            stdin=stdin)

    def profile(self, *words, check=True):
        return self.culvert("profile", *words, "--config", self.config, check=check)

    def refused(self, done, because):
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertRegex(done.stderr, because)

    def openssl(self, *words, check=True):
        return harness.run(["openssl", *words], check=check, timeout=60)


class Init(Folder):
    def files(self):
        return {name: self.text(name) for name in sorted(os.listdir(self.folder))}

    def test_a_server_in_one_command(self):
        said = self.init("--dns", "9.9.9.9").stdout
        lines = [line for line in self.text("culvert.toml").splitlines() if line]
        self.assertLessEqual(len(lines), 8)
        self.culvert("check", self.config)
        self.openssl("verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", NAME,
                     "-CAfile", self.path("ca.pem"), self.path("server.pem"))
        for secret in ("ca.key", "server.key", "users.toml", "culvert.toml"):
            self.assertEqual(stat.S_IMODE(os.stat(self.path(secret)).st_mode), 0o600, secret)
            self.assertIn(self.path(secret), said)
        self.assertRegex(said, r"culvert user add NAME --config \S+\n\s+culvert profile NAME --for")

    def test_twice_is_as_good_as_once(self):
        self.init()
        before = self.files()
        said = self.init().stdout
        self.assertEqual(self.files(), before)
        self.assertNotIn("made", said)

    def test_goes_on_where_it_was_interrupted(self):
        self.init()
        whole = self.files()
        for missing in (["culvert.toml"], ["culvert.toml", "users.toml", "server.pem"],
                        ["culvert.toml", "users.toml", "server.pem", "server.key", "ca.pem"]):
            for name in missing:
                os.remove(self.path(name))
            self.init()
            self.assertEqual(sorted(self.files()), sorted(whole), missing)
            self.assertEqual(self.text("ca.key"), whole["ca.key"])
            self.openssl("verify", "-CAfile", self.path("ca.pem"), self.path("server.pem"))

    def test_another_configuration_is_not_overwritten(self):
        self.init()
        self.write("culvert.toml", "# mine\n")
        before = self.files()
        self.refused(self.init(check=False), "exists and says something else.*--force")
        self.assertEqual(self.files(), before)
        self.init("--force")
        kept = [name for name in self.files() if name.startswith("culvert.toml.")]
        self.assertEqual([self.text(name) for name in kept], ["# mine\n"])
        self.assertIn("[tunnel.clients]", self.text("culvert.toml"))

    def test_a_new_certificate(self):
        self.init()
        old = self.files()
        self.refused(self.init("--force", name="other.example.org", check=False), "--renew")
        self.init("--force", "--renew", name="other.example.org")
        self.assertEqual(self.text("ca.pem"), old["ca.pem"])
        self.openssl("verify", "-verify_hostname", "other.example.org", "-CAfile",
                     self.path("ca.pem"), self.path("server.pem"))

    def test_the_key_of_the_ca_may_be_elsewhere(self):
        self.init()
        os.remove(self.path("ca.key"))
        self.init()
        self.refused(self.init("--renew", check=False), "ca.key")

    def test_addresses_of_both_families(self):
        self.init("--pool", "10.9.0.0/24", "--pool", "fd09::/112", name="2001:db8::1")
        self.assertIn('local = ["0.0.0.0/0", "::/0"]', self.text("culvert.toml"))
        self.openssl("verify", "-verify_ip", "2001:db8::1", "-CAfile", self.path("ca.pem"),
                     self.path("server.pem"))

    def test_what_is_wrong_is_said_before_anything_is_made(self):
        for words, because in ((("--pool", "10.9.0.0/33"), "no network"),
                               (("--pool", "10.9.0.0/31"), "no room"),
                               (("--dns", "dns.example.org"), "not the address of a DNS server"),
                               (("--local", "everything"), "no network")):
            self.refused(self.init(*words, check=False), because)
        self.refused(self.init(name="*.example.org", check=False), "no host name")
        self.assertFalse(os.path.exists(self.folder))


class Users(Folder):
    def setUp(self):
        super().setUp()
        os.mkdir(self.folder)
        self.write("culvert.toml", 'users = "users.toml"\n')

    def states(self):
        lines = self.user("list").stdout.splitlines()
        self.assertEqual(lines[0].split(), ["USER", "STATE", "EXPIRES"])
        return {line.split()[0]: tuple(line.split()[1:]) for line in lines[1:]}

    def check(self):
        self.culvert("check", self.config)

    def test_come_change_and_go(self):
        said = self.user("add", "ann").stdout
        self.assertRegex(said, r"password: [a-z2-9]{4}(-[a-z2-9]{4}){3}\s")
        self.assertIn("is culvertd running?", said)
        self.user("add", "bob@example.org", "--expires", "2090-01-31")
        self.assertEqual(self.states(), {"ann": ("active", "-"),
                                         "bob@example.org": ("active", "2090-01-31")})
        self.user("disable", "ann")
        self.user("expire", "bob@example.org", "2020-01-31")
        self.check()
        self.assertEqual(self.states(), {"ann": ("disabled", "-"),
                                         "bob@example.org": ("expired", "2020-01-31")})
        self.user("enable", "ann")
        self.user("expire", "bob@example.org", "never")
        self.assertEqual({state for state, _ in self.states().values()}, {"active"})
        self.user("remove", "ann")
        self.check()
        self.assertEqual(list(self.states()), ["bob@example.org"])
        self.assertEqual(stat.S_IMODE(os.stat(self.path("users.toml")).st_mode), 0o600)

    def test_a_given_password_is_kept_as_a_hash(self):
        said = self.user("add", "ann", "--password-file", "-", stdin="clientPass\n").stdout
        self.assertNotIn("clientPass", said)
        # RFC 2759, 9.2
        self.assertIn("nt:44ebba8d5312b8d611474411f56989ae", self.text("users.toml"))
        self.user("password", "ann", "--form", "pbkdf2", "--password-file", "-", stdin="x\n")
        self.assertRegex(self.text("users.toml"), r'password = "pbkdf2-sha256:10000:')
        self.check()

    def test_every_name_that_can_be_typed(self):
        for name in ('a"b', "back\\slash", "two words", "#", "[x]", "ünï", "-", "'", "a.b.c"):
            with self.subTest(name):
                self.user("add", "--", name)
                self.check()
                self.user("disable", "--", name)
                self.user("remove", "--", name)
        self.assertEqual(self.states(), {})
        self.refused(self.user("add", "a\nb", check=False), "no user name")
        self.refused(self.user("add", "", check=False), "no user name")

    def test_what_an_operator_wrote_stays(self):
        text = "# Ours.\n\n[user.zoe]   # the boss\npassword = 'x'\n\n# Not in January:\n"
        self.write("users.toml", text)
        self.user("add", "ann")
        self.user("remove", "ann")
        self.assertEqual(self.text("users.toml"), text + "\n")

    def test_many_at_once(self):
        command = [harness.binary("culvert"), "--uri", "unix:///nowhere", "user", "add"]
        started = [subprocess.Popen([*command, f"user{number}", "--config", self.config],
                                    stdout=subprocess.DEVNULL) for number in range(20)]
        self.assertEqual([process.wait(60) for process in started], [0] * 20)
        self.check()
        self.assertEqual(len(self.states()), 20)

    def test_what_is_refused(self):
        self.user("add", "ann")
        before = self.text("users.toml")
        self.refused(self.user("add", "ann", check=False), "already")
        self.refused(self.user("disable", "bob", check=False), "no user 'bob'")
        self.refused(self.user("expire", "ann", "tomorrow", check=False), "no date")
        self.assertEqual(self.text("users.toml"), before)
        self.write("culvert.toml", "")
        self.refused(self.user("list", check=False), "names no file of users")

    def test_json(self):
        made = json.loads(self.culvert("--json", "user", "add", "ann", "--config",
                                       self.config).stdout)
        self.assertEqual((made["success"], made["user"]), ("yes", "ann"))
        self.assertRegex(made["password"], "^[a-z2-9-]{19}$")
        listed = json.loads(self.culvert("--json", "user", "list", "--config", self.config).stdout)
        self.assertEqual(listed["state"], "active")


class Profiles(Folder):
    """Of one server for all tests: its keys take a while."""

    @classmethod
    def setUpClass(cls):
        cls.server = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.server.cleanup)

    def setUp(self):
        self.folder = os.path.join(self.server.name, "culvert")
        self.config = self.path("culvert.toml")
        if not os.path.exists(self.folder):
            self.make_server()

    def make_server(self):
        os.mkdir(self.folder)
        for name, words in (("ca", ("self", "--ca", "--dn", "CN=Test CA")),
                            ("server", ("issue", "--cacert", self.path("ca.pem"), "--cakey",
                                        self.path("ca.key"), "--dn", "CN=server", "--san", NAME))):
            key = self.path(f"{name}.key")
            self.culvert("pki", "gen", "--out", key)
            self.culvert("pki", *words, "--in", key, "--out", self.path(f"{name}.pem"))
        tunnel = '[tunnel.clients]\ncert = "server.pem"\nlocal = ["10.1.0.0/16"]\n'
        self.write("culvert.toml", f'users = "users.toml"\n{tunnel}eap = "mschapv2"\n')
        self.write("certificates.toml", f'{tunnel}ca = "ca.pem"\npeer = "any"\n')
        self.user("add", "ann")

    def made(self, device, *words):
        return self.profile("ann", "--for", device, *words).stdout

    def with_certificate(self, device, ending):
        self.config = self.path("certificates.toml")
        path = self.path(f"ann{ending}")
        said = self.profile("ann", "--for", device, "--certificate", "--force", "-o", path).stdout
        found = re.search(r"password of the certificate: (\S+)", said)
        return path, found.group(1) if found else None

    def ca(self):
        return self.openssl("x509", "-in", self.path("ca.pem"), "-outform", "pem").stdout

    def assert_is_ca(self, der):
        body = "".join(self.ca().splitlines()[1:-1])
        self.assertEqual(base64.b64encode(der).decode(), body)

    def assert_is_pkcs12(self, octets, password, legacy):
        path = self.path("ann.p12")
        with open(path, "wb") as file:
            file.write(octets)
        words = ["pkcs12", "-in", path, "-passin", f"pass:{password}", "-nokeys", "-clcerts"]
        certificate = self.openssl(*words, *(["-legacy"] if legacy else [])).stdout
        self.write("client.pem", certificate)
        self.openssl("verify", "-purpose", "sslclient", "-CAfile", self.path("ca.pem"),
                     self.path("client.pem"))
        self.openssl(*words[:-2], "-nodes", "-nocerts", *(["-legacy"] if legacy else []))

    def test_apple(self):
        root = plistlib.loads(self.made("apple").encode())
        self.assertEqual((root["PayloadType"], root["PayloadVersion"]), ("Configuration", 1))
        ca, vpn = root["PayloadContent"]
        self.assertEqual(ca["PayloadType"], "com.apple.security.root")
        self.assert_is_ca(ca["PayloadContent"])
        self.assertEqual((vpn["PayloadType"], vpn["VPNType"]), ("com.apple.vpn.managed", "IKEv2"))
        ikev2 = vpn["IKEv2"]
        self.assertEqual((ikev2["RemoteAddress"], ikev2["RemoteIdentifier"]), (NAME, NAME))
        self.assertEqual((ikev2["AuthenticationMethod"], ikev2["ExtendedAuthEnabled"],
                          ikev2["AuthName"]), ("None", 1, "ann"))
        self.assertEqual(vpn["IPv4"]["OverridePrimary"], 0)
        uuids = [payload["PayloadUUID"] for payload in (root, ca, vpn)]
        self.assertEqual(len(set(uuids)), 3)

    def test_apple_with_a_certificate(self):
        path, password = self.with_certificate("apple", ".mobileconfig")
        with open(path, "rb") as file:
            root = plistlib.load(file)
        _ca, own, vpn = root["PayloadContent"]
        self.assert_is_pkcs12(own["PayloadContent"], password, legacy=True)
        self.assertEqual(vpn["IKEv2"]["AuthenticationMethod"], "Certificate")
        self.assertEqual(vpn["IKEv2"]["PayloadCertificateUUID"], own["PayloadUUID"])
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)

    def test_android(self):
        root = json.loads(self.made("android"))
        self.assertEqual((root["type"], root["local"]), ("ikev2-eap", {"eap_id": "ann"}))
        self.assertEqual((root["remote"]["addr"], root["remote"]["id"]), (NAME, NAME))
        self.assert_is_ca(base64.b64decode(root["remote"]["cert"]))
        self.assertEqual(root["split-tunneling"], {"subnets": ["10.1.0.0/16"]})
        path, password = self.with_certificate("android", ".sswan")
        with open(path, encoding="utf-8") as file:
            root = json.load(file)
        self.assertEqual(root["type"], "ikev2-cert")
        self.assert_is_pkcs12(base64.b64decode(root["local"]["p12"]), password, legacy=False)

    def test_windows(self):
        script = self.made("windows")
        der = re.search(r"FromBase64String\('([^']+)'\)", script).group(1)
        self.assert_is_ca(base64.b64decode(der))
        self.assertIn(f"Add-VpnConnection -Name '{NAME}' -ServerAddress '{NAME}' -TunnelType IKEv2",
                      script)
        self.assertIn("-SplitTunneling", script)
        self.assertIn("-DestinationPrefix '10.1.0.0/16'", script)

    def test_network_manager(self):
        path = self.path("ann.nmconnection")
        self.made("linux", "-o", path)
        parser = configparser.ConfigParser(interpolation=None)
        parser.read(path)
        self.assertEqual(parser["connection"]["type"], "vpn")
        vpn = parser["vpn"]
        self.assertEqual((vpn["address"], vpn["method"], vpn["user"]), (NAME, "eap", "ann"))
        self.assertTrue(vpn["certificate"].endswith("/ann.ca.pem"))
        self.assertEqual(self.text("ann.ca.pem"), self.ca())

    def test_culvert(self):
        text = self.made("culvert")
        self.assertIn(self.ca().strip(), text)
        self.write("client.toml", text)
        self.culvert("check", self.path("client.toml"))
        path, _ = self.with_certificate("culvert", ".toml")
        self.culvert("check", path)
        self.assertEqual(stat.S_IMODE(os.stat(self.path("ann.key")).st_mode), 0o600)

    def test_a_qr_code_is_for_telephones(self):
        url = f"https://{NAME}/ann.mobileconfig"
        said = self.made("apple", "-o", self.path("qr.mobileconfig"), "--qr", url)
        self.assertIn(url, said)
        self.assertGreater(said.count("█"), 200)
        self.refused(self.profile("ann", "--for", "windows", "-o", self.path("x.ps1"), "--qr", url,
                                  check=False), "telephones")

    def test_what_is_refused(self):
        self.refused(self.profile("bob", "--for", "apple", check=False), "no user 'bob'")
        self.refused(self.profile("ann", "--for", "apple", "--certificate", check=False),
                     "no tunnel")
        self.refused(self.profile("ann", "--for", "apple", "--ca", self.path("nothing.pem"),
                                  check=False), "nothing.pem")


if __name__ == "__main__":
    harness.main()
