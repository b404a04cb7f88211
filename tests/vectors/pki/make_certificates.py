#!/usr/bin/env python3
"""Makes certificates/ with openssl and strongSwan's pki: good ones of every kind, and one for each
way to be bad. Everything is valid until 2076 or later, but for what must not be."""

import os
import shutil
import subprocess

HERE = os.path.dirname(os.path.abspath(__file__))
OUT = os.path.join(HERE, "certificates")
FAR = ("20260101000000Z", "21260101000000Z")


def run(*command, stdin=None):
    done = subprocess.run(command, cwd=OUT, input=stdin, capture_output=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{command}: {done.stderr.decode()}")
    return done.stdout


def write(name, text):
    with open(os.path.join(OUT, name), "wb") as out:
        out.write(text if isinstance(text, bytes) else text.encode())


def key(name, *options):
    run("openssl", "genpkey", *options, "-out", f"{name}.key")


EC = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
CA = "basicConstraints=critical,CA:TRUE{}\nkeyUsage=critical,keyCertSign,cRLSign\n"


class Authority:
    """An openssl `ca` with its own database, so that it can revoke."""

    def __init__(self, name, subject, extensions=CA.format(""), issuer=None, options=EC, days=FAR,
                 own_key=None):
        self.name = name
        if own_key is None:
            key(name, *options)
            own_key = name
        self.key = own_key
        os.makedirs(os.path.join(OUT, f"{name}.db"), exist_ok=True)
        write(f"{name}.db/index", "")
        write(f"{name}.db/serial", "1000\n")
        write(f"{name}.db/number", "01\n")
        write(f"{name}.db/config", f"""
[ca]
default_ca=own
[own]
database={name}.db/index
serial={name}.db/serial
crlnumber={name}.db/number
new_certs_dir={name}.db
default_md=sha256
policy=any
unique_subject=no
copy_extensions=none
crl_extensions=crl
default_crl_days=36500
[any]
[crl]
authorityKeyIdentifier=keyid:always
[req]
distinguished_name=none
[none]
""")
        issuer = issuer or self
        issuer.issue(name, subject, extensions, days, use_key=own_key, self_signed=issuer is self)

    def issue(self, name, subject, extensions, days=FAR, use_key=None, self_signed=False,
              md="sha256", sigopt=(), ids=True):
        if use_key is None:
            use_key = name
            key(name, *EC)
        write("request.cnf", "[req]\ndistinguished_name=d\nprompt=no\n[d]\n")
        run("openssl", "req", "-new", "-key", f"{use_key}.key", "-subj", subject, "-out", "req.pem",
            "-config", "request.cnf")
        extra = "subjectKeyIdentifier=hash\n" if ids else ""
        if ids and not self_signed:
            extra += "authorityKeyIdentifier=keyid\n"
        write("extensions.cnf", extra + extensions)
        signer = ["-selfsign"] if self_signed else ["-cert", f"{self.name}.pem"]
        run("openssl", "ca", "-batch", "-notext", "-config", f"{self.name}.db/config", "-md", md,
            *[part for option in sigopt for part in ("-sigopt", option)],
            "-keyfile", f"{self.key}.key", *signer, "-in", "req.pem", "-out", f"{name}.pem",
            "-startdate", days[0], "-enddate", days[1], "-extfile", "extensions.cnf", "-preserveDN")

    def revoke(self, name, reason):
        run("openssl", "ca", "-config", f"{self.name}.db/config", "-keyfile", f"{self.key}.key",
            "-cert", f"{self.name}.pem", "-revoke", f"{name}.pem", "-crl_reason", reason)

    def crl(self, name, last="20260101000000Z", following="21260101000000Z", extensions="crl"):
        run("openssl", "ca", "-config", f"{self.name}.db/config", "-keyfile", f"{self.key}.key",
            "-cert", f"{self.name}.pem", "-gencrl", "-crl_lastupdate", last, "-crl_nextupdate",
            following, "-crlexts", extensions, "-out", f"{name}.crl")


def san(name):
    return f"subjectAltName=DNS:{name}\n"


def good_of_every_kind():
    root = Authority("root", "/C=CH/O=Culvert/CN=Root CA")
    sub = Authority("sub", "/C=CH/O=Culvert/CN=Sub CA", CA.format(",pathlen:0"), root)
    sub.issue("leaf", "/C=CH/O=Culvert/CN=leaf.example.org",
              "subjectAltName=DNS:leaf.example.org,DNS:*.wild.example.org,email:leaf@example.org,"
              "IP:192.0.2.1,IP:2001:db8::1,URI:https://leaf.example.org/,dirName:other_name\n"
              "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n"
              "basicConstraints=CA:FALSE\ncertificatePolicies=1.2.3.4\n"
              "crlDistributionPoints=URI:http://crl.example.org/sub.crl\n"
              "authorityInfoAccess=OCSP;URI:http://ocsp.example.org/\n"
              "[other_name]\nC=CH\nCN=other name\n")
    for name, options, md, sigopt in (
            ("rsa", ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"), "sha256", ()),
            ("rsa-pss", ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"), "sha384",
             ("rsa_padding_mode:pss", "rsa_pss_saltlen:digest")),
            ("p384", ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"), "sha384", ()),
            ("p521", ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"), "sha512", ()),
            ("ed25519", ("-algorithm", "ED25519"), "null", ()),
            ("ed448", ("-algorithm", "ED448"), "null", ())):
        ca = Authority(f"ca-{name}", f"/CN=CA {name}", options=options)
        key(f"leaf-{name}", *options)
        ca.issue(f"leaf-{name}", f"/CN=leaf-{name}", san(f"{name}.example.org"),
                 use_key=f"leaf-{name}", md=md, sigopt=sigopt)
    run("sh", "-c", "pki --self --in root.key --type ecdsa --ca --dn 'C=CH, O=pki, CN=CA' "
        "--lifetime 18250 --outform pem > ca-pki.pem 2>/dev/null")
    run("sh", "-c", "pki --issue --in leaf.key --type priv --cacert ca-pki.pem --cakey root.key "
        "--dn 'C=CH, O=pki, CN=leaf' --san pki.example.org --flag serverAuth --lifetime 18250 "
        "--crl http://crl.example.org/pki.crl --ocsp http://ocsp.example.org/ "
        "--outform pem > leaf-pki.pem 2>/dev/null")
    return root, sub


def bad(root, sub):
    past = ("20200101000000Z", "20210101000000Z")
    root.issue("expired", "/CN=expired", san("x"), past)
    root.issue("not-yet", "/CN=not yet", san("x"), ("21000101000000Z", "21260101000000Z"))
    root.issue("wrong-eku", "/CN=wrong EKU", san("x") + "extendedKeyUsage=codeSigning\n")
    root.issue("wrong-ku", "/CN=wrong KU", san("x") + "keyUsage=keyEncipherment\n")
    root.issue("critical", "/CN=critical", san("x") + "1.2.3.4=critical,DER:0500\n")
    root.issue("sha1", "/CN=SHA-1", san("x"), md="sha1")
    root.issue("no-ca", "/CN=no CA", san("x"))
    key("weak", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024")
    root.issue("weak", "/CN=weak", san("x"), use_key="weak")
    Authority("self-signed", "/CN=self signed", san("x"))
    Authority("expired-ca", "/CN=expired CA", issuer=root, days=past).issue(
        "below-expired", "/CN=below expired", san("x"))
    no_ca = Authority("false-ca", "/CN=false CA", san("x"), root)
    no_ca.issue("below-false", "/CN=below false", san("x"))
    no_sign = Authority("no-sign", "/CN=no sign", "basicConstraints=CA:TRUE\nkeyUsage=cRLSign\n",
                        root)
    no_sign.issue("below-no-sign", "/CN=below no sign", san("x"))
    deeper = Authority("too-deep-ca", "/CN=too deep", issuer=sub)
    deeper.issue("too-deep", "/CN=too deep leaf", san("x"))
    # Another root with the same name: what it signs is not signed by ours.
    other = Authority("impostor", "/C=CH/O=Culvert/CN=Root CA")
    other.issue("forged", "/CN=forged", san("x"), ids=False)
    # Two CAs that issued each other, and nobody else.
    Authority("loop-a", "/CN=loop A")
    loop_b = Authority("loop-b", "/CN=loop B")
    Authority("loop-a-by-b", "/CN=loop A", issuer=loop_b, own_key="loop-a")
    loop_a = Authority("loop-a-again", "/CN=loop A", own_key="loop-a")
    Authority("loop-b-by-a", "/CN=loop B", issuer=loop_a, own_key="loop-b")
    loop_b.issue("in-loop", "/CN=in the loop", san("x"))


def constrained(root):
    names = Authority(
        "named", "/CN=named", CA.format("") + "nameConstraints=critical,permitted;DNS:example.org,"
        "permitted;email:example.org,permitted;IP:192.0.2.0/255.255.255.0,"
        "excluded;DNS:secret.example.org\n", root)
    for name, alternative in (
            ("names-ok", "DNS:a.example.org,email:u@example.org,IP:192.0.2.7"),
            ("names-dns", "DNS:a.example.net"), ("names-suffix", "DNS:badexample.org"),
            ("names-excluded", "DNS:x.secret.example.org"), ("names-email", "email:u@example.net"),
            ("names-ip", "IP:198.51.100.1")):
        names.issue(name, f"/CN={name}", f"subjectAltName={alternative}\n")
    policy = Authority("policy-ca", "/CN=policy CA", CA.format("") +
                       "certificatePolicies=1.2.3.4\npolicyConstraints=requireExplicitPolicy:0\n",
                       root)
    policy.issue("policy-ok", "/CN=policy ok", san("x") + "certificatePolicies=1.2.3.4\n")
    policy.issue("policy-other", "/CN=policy other", san("x") + "certificatePolicies=1.2.3.5\n")
    # Cross-signed: the same CA by our root, and by one that has expired.
    old = Authority("old-root", "/CN=old root", days=("20200101000000Z", "20210101000000Z"))
    cross = Authority("cross", "/CN=cross", issuer=root)
    Authority("cross-old", "/CN=cross", issuer=old, own_key="cross")
    cross.issue("crossed", "/CN=crossed", san("x"), ids=False)


def long_chain():
    """chain.pem: thirty CAs, each issued by the one before; leaf first."""
    above = Authority("deep-0", "/CN=deep 0")
    parts = []
    for depth in range(1, 31):
        above = Authority(f"deep-{depth}", f"/CN=deep {depth}", issuer=above, own_key="deep-0")
        parts.insert(0, f"deep-{depth}.pem")
    above.issue("deep-leaf", "/CN=deep leaf", san("x"), use_key="deep-0")
    parts.insert(0, "deep-leaf.pem")
    write("chain.pem", "".join(open(os.path.join(OUT, part), encoding="ascii").read()
                               for part in parts))
    for part in parts[1:]:
        os.remove(os.path.join(OUT, part))


def revocation(root, sub):
    ocsp = "http://ocsp.example.org/"
    for name in ("revoked", "held", "fine"):
        root.issue(name, f"/CN={name}", san("x") +
                   f"crlDistributionPoints=URI:http://crl.example.org/root.crl\n"
                   f"authorityInfoAccess=OCSP;URI:{ocsp}\n")
    root.crl("before")
    root.revoke("revoked", "keyCompromise")
    root.revoke("held", "certificateHold")
    root.crl("root")
    root.crl("stale", "20200101000000Z", "20210101000000Z")
    sub.crl("sub")
    with open(os.path.join(OUT, "root.db/config"), "a", encoding="ascii") as config:
        config.write("[delta]\n2.5.29.27=critical,DER:020101\n"
                     "[part]\nissuingDistributionPoint=critical,@point\n"
                     "[point]\nfullname=URI:http://crl.example.org/other.crl\n"
                     "[users]\nissuingDistributionPoint=critical,@only\n[only]\nonlyuser=TRUE\n")
    root.crl("delta", extensions="delta")
    root.crl("part", extensions="part")
    root.crl("users", extensions="users")
    root.issue("responder", "/CN=responder", "extendedKeyUsage=OCSPSigning\nnoCheck=ignored\n")
    root.issue("stranger", "/CN=stranger", "extendedKeyUsage=serverAuth\n")
    for name, certificate, signer, options in (
            ("good", "fine", "responder", ()), ("revoked", "revoked", "responder", ()),
            ("by-ca", "fine", "root", ()), ("by-stranger", "fine", "stranger", ()),
            ("by-sub", "fine", "sub", ()), ("no-nonce", "fine", "responder", ("-no_nonce",))):
        run("openssl", "ocsp", "-issuer", "root.pem", "-cert", f"{certificate}.pem", "-reqout",
            "request.der", *options)
        run("openssl", "ocsp", "-index", "root.db/index", "-CA", "root.pem", "-rsigner",
            f"{signer}.pem", "-rkey", f"{signer}.key", "-reqin", "request.der", "-ndays", "36500",
            "-respout", f"ocsp-{name}.der")
    write("ocsp-try-later.der", bytes.fromhex("30030a0103"))


def malformed():
    """A certificate whose RSA exponent is 1, and one with an extension twice."""
    key("exponent", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
    Authority("exponent-ca", "/CN=exponent", san("x"), own_key="exponent")
    der = run("openssl", "x509", "-in", "exponent-ca.pem", "-outform", "DER")
    assert der.count(bytes.fromhex("0203010001")) == 1
    write("exponent-1.der", der.replace(bytes.fromhex("0203010001"), bytes.fromhex("0203000001")))
    leaf = run("openssl", "x509", "-in", "leaf.pem", "-outform", "DER")
    # basicConstraints becomes a second keyUsage.
    assert leaf.count(bytes.fromhex("0603551d13")) == 1
    write("twice.der", leaf.replace(bytes.fromhex("0603551d13"), bytes.fromhex("0603551d0f")))


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    os.makedirs(OUT)
    root, sub = good_of_every_kind()
    bad(root, sub)
    constrained(root)
    long_chain()
    revocation(root, sub)
    malformed()
    keep = {"leaf.key", "leaf-rsa.key", "root.key"}
    for name in os.listdir(OUT):
        path = os.path.join(OUT, name)
        if os.path.isdir(path):
            shutil.rmtree(path)
        elif (name.endswith((".key", ".cnf")) and name not in keep
              or name in ("req.pem", "request.der")):
            os.remove(path)
        else:
            os.chmod(path, 0o644)


if __name__ == "__main__":
    main()
