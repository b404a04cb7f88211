#!/bin/sh
# Makes keys/ with openssl and strongSwan's pki: one file for each form in which keys come.
set -eu
cd "$(dirname "$0")"
rm -rf keys && mkdir keys && cd keys
quiet() { "$@" 2>/dev/null; }

quiet openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa-pkcs8.pem
openssl rsa -traditional -in rsa-pkcs8.pem -out rsa-pkcs1.pem 2>/dev/null
openssl rsa -traditional -in rsa-pkcs8.pem -outform DER -out rsa-pkcs1.der 2>/dev/null
openssl pkcs8 -topk8 -nocrypt -in rsa-pkcs8.pem -outform DER -out rsa-pkcs8.der
openssl ecparam -name prime256v1 -genkey -noout -out p256-sec1.pem
openssl ec -in p256-sec1.pem -outform DER -out p256-sec1.der 2>/dev/null
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out p384-pkcs8.pem
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-521 -outform DER -out p521-pkcs8.der
openssl genpkey -algorithm ED25519 -out ed25519.pem
openssl genpkey -algorithm ED448 -out ed448.pem
pki --gen --type rsa --size 2048 --outform pem > pki-rsa.pem
pki --gen --type ecdsa --size 256 > pki-ecdsa.der
pki --gen --type ed25519 --outform pem > pki-ed25519.pem

openssl pkcs8 -topk8 -v2 aes-256-cbc -passout pass:secret -in p384-pkcs8.pem -out encrypted.pem
openssl pkcs8 -topk8 -v2 aes-256-cbc -passout pass:secret -in p384-pkcs8.pem -outform DER \
  -out encrypted.der
openssl ec -aes256 -passout pass:secret -in p256-sec1.pem -out encrypted-traditional.pem 2>/dev/null

openssl pkey -in ed25519.pem -pubout -out public.pem
openssl genrsa -out rsa-512.pem 512 2>/dev/null
openssl ecparam -name secp256k1 -genkey -noout -out secp256k1.pem
openssl genpkey -genparam -algorithm DSA -pkeyopt dsa_paramgen_bits:2048 2>/dev/null |
  openssl genpkey -paramfile /dev/stdin -out dsa.pem 2>/dev/null

openssl req -x509 -key p256-sec1.pem -subj /CN=leaf -days 36500 -out leaf.pem
openssl req -x509 -key p384-pkcs8.pem -subj /CN=ca -days 36500 -out ca.pem
cat leaf.pem p256-sec1.pem > after-certificate.pem
openssl pkcs12 -export -inkey p256-sec1.pem -in leaf.pem -certfile ca.pem -passout pass:secret \
  -out chain.p12
rm leaf.pem ca.pem
