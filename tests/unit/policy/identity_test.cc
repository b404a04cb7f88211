#include "policy/identity.h"

#include <gtest/gtest.h>

#include "policy/distinguished_name.h"

namespace culvert {
namespace {

using wire::IdType;

Identity id(std::string_view text) {
  const auto identity = parse_identity(text);
  EXPECT_TRUE(identity) << text;
  return identity.value_or(Identity{});
}
Identity raw(IdType type, std::string_view data) { return {type, to_bytes(as_bytes(data))}; }

TEST(IdentityText, ParsesStrongSwansForms) {
  EXPECT_EQ(id("192.0.2.1"), (Identity{IdType::ipv4_addr, {192, 0, 2, 1}}));
  EXPECT_EQ(id("2001:db8::1").type, IdType::ipv6_addr);
  EXPECT_EQ(id("moon.example.org"), raw(IdType::fqdn, "moon.example.org"));
  EXPECT_EQ(id("@moon"), raw(IdType::fqdn, "moon"));
  EXPECT_EQ(id("@192.0.2.1"), raw(IdType::fqdn, "192.0.2.1"));
  EXPECT_EQ(id("carol@example.org"), raw(IdType::rfc822_addr, "carol@example.org"));
  EXPECT_EQ(id("@@carol"), raw(IdType::rfc822_addr, "carol"));
  EXPECT_EQ(id("@#6b6579"), raw(IdType::key_id, "key"));
  EXPECT_EQ(id("keyid:some key"), raw(IdType::key_id, "some key"));
  EXPECT_EQ(id("KeyID:#6B6579"), raw(IdType::key_id, "key"));
  EXPECT_EQ(id("dns:moon"), id("fqdn:moon"));
  EXPECT_EQ(id("email:carol"), id("rfc822:carol"));
  EXPECT_EQ(id("ipv4:192.0.2.1"), id("192.0.2.1"));
  EXPECT_EQ(id("ipv4:#c0000201"), id("192.0.2.1"));
  EXPECT_EQ(id("{11}:key"), id("keyid:key"));
  EXPECT_EQ(id("urn:x:7"), raw(IdType::key_id, "urn:x:7"));
  for (const auto* any : {"%any", "%any6", "*", "0.0.0.0", "::"}) EXPECT_TRUE(id(any).is_any());
}

TEST(IdentityText, RefusesWhatIsMalformed) {
  for (const auto* text : {"",
                           "192.0.2.300",
                           "2001:db8:::1",
                           "moon example",
                           "@",
                           "@@",
                           "@#6b657",
                           "@#",
                           "@#zz",
                           "ipv4:2001:db8::1",
                           "ipv6:192.0.2.1",
                           "ipv4:#c000",
                           "fqdn:",
                           "=x",
                           "C=CH, XX=y",
                           "C=CH,",
                           "CN=a\\",
                           "{11:x",

                           "{256}:x",
                           "{}:x",
                           "moon\n",
                           "fqdn:a\x7f"}) {
    EXPECT_FALSE(parse_identity(text)) << text;
  }
  EXPECT_FALSE(parse_identity(std::string(2'049, 'a')));
  EXPECT_TRUE(parse_identity(std::string(2'048, 'a')));
}

TEST(IdentityText, PrintsWhatItParses) {
  for (const auto* text :
       {"192.0.2.1", "2001:db8::1", "moon.example.org", "carol@example.org", "@#00ff",
        "keyid:some key", "fqdn:192.0.2.1", "email:carol", "%any", "{12}:#aa", "asn1gn:#8201",
        "C=CH, O=strongSwan Project, CN=moon.strongswan.org", "CN=a\\, b\\+c\\\\, OU=\\ d\\ ",
        "CN=x+UID=7, O=y", "E=carol@example.org, CN=M\xc3\xbcller", "urn:x:7"})
    EXPECT_EQ(to_string(id(text)), text);
}

TEST(IdentityText, PrintsOnlyPrintableText) {
  EXPECT_EQ(to_string(raw(IdType::fqdn, "a\x1b[2J")), "fqdn:#611b5b324a");
  EXPECT_EQ(to_string(raw(IdType::key_id, "\x01")), "@#01");
  EXPECT_EQ(to_string(raw(IdType::key_id, "moon")), "keyid:moon");
  EXPECT_EQ(to_string(raw(IdType::der_asn1_dn, "\x30\x02xx")), "asn1dn:#30027878");
  EXPECT_EQ(to_string(raw(IdType::ipv4_addr, "abc")), "ipv4:#616263");
}

TEST(DistinguishedName, Encodes) {
  const Bytes expected = {0x30, 0x1c, 0x31, 0x0b, 0x30, 0x09, 0x06, 0x03, 0x55, 0x04,
                          0x06, 0x13, 0x02, 'C',  'H',  0x31, 0x0d, 0x30, 0x0b, 0x06,
                          0x03, 0x55, 0x04, 0x03, 0x0c, 0x04, 'a',  '_',  'b',  'c'};
  EXPECT_EQ(id("C=CH, CN=a_bc").data, expected);
  EXPECT_EQ(id("/c=CH/cn=a_bc").data, expected);
  const std::string large(300, 'x');
  EXPECT_EQ(to_string(id("CN=" + large)), "CN=" + large);
}

TEST(DistinguishedName, RefusesBadDer) {
  const Bytes good = id("C=CH, CN=moon").data;
  ASSERT_TRUE(decode_name(good));
  for (std::size_t cut = 0; cut < good.size(); ++cut)
    EXPECT_FALSE(decode_name(ByteView(good).first(cut))) << cut;
  Bytes longer = good;
  longer.push_back(0);
  EXPECT_FALSE(decode_name(longer));
  EXPECT_FALSE(decode_name(Bytes{0x30, 0x80, 0, 0}));        // indefinite
  EXPECT_FALSE(decode_name(Bytes{0x30, 0x81, 0x02, 5, 0}));  // not the shortest form
  EXPECT_FALSE(decode_name(Bytes{0x30, 0x02, 0x31, 0x00}));  // empty RDN
}

TEST(IdentityMatch, ExactIsBest) {
  EXPECT_EQ(match(id("moon.example.org"), id("MOON.example.ORG")), kExactMatch);
  EXPECT_EQ(match(id("keyid:Key"), id("keyid:key")), 0);
  EXPECT_EQ(match(id("@192.0.2.1"), id("192.0.2.1")), 0);
  EXPECT_EQ(match(id("%any"), id("192.0.2.1")), kAnyMatch);
  EXPECT_EQ(match(id("moon"), Identity{}), 0);
  EXPECT_EQ(index_key(id("Moon@Example.org")), index_key(id("moon@example.ORG")));
  EXPECT_NE(index_key(id("@a")), index_key(id("@@a")));
}

TEST(IdentityMatch, Wildcards) {
  const Identity peer = id("a.east.example.org");
  const int wide = match(id("*.example.org"), peer), narrow = match(id("*.east.example.org"), peer);
  EXPECT_GT(wide, kAnyMatch);
  EXPECT_GT(narrow, wide);
  EXPECT_LT(narrow, kExactMatch);
  EXPECT_TRUE(matches(id("?.EAST.*.org"), peer));
  EXPECT_FALSE(matches(id("*.example.com"), peer));
  EXPECT_FALSE(matches(id("?.example.org"), peer));
  EXPECT_FALSE(matches(id("*.example.org"), id("@example.org")));
  EXPECT_TRUE(matches(id("*@example.org"), id("carol@example.org")));
  EXPECT_FALSE(matches(id("*@example.org"), id("@carol.example.org")));
  EXPECT_FALSE(
      matches(id("*.example.org"), raw(IdType::fqdn, std::string_view("a\0.example.org", 14))));
  // A peer's asterisk is a character.
  EXPECT_FALSE(matches(id("moon.example.org"), id("*.example.org")));
  EXPECT_TRUE(is_pattern(id("*.example.org")));
  EXPECT_FALSE(is_pattern(id("keyid:*")));
}

TEST(IdentityMatch, DistinguishedNames) {
  const Identity peer = id("C=CH, O=strongSwan, CN=moon");
  EXPECT_EQ(match(id("c=ch, o=STRONGSWAN, cn=moon"), peer), kExactMatch);
  Identity utf8 = peer;
  for (std::size_t i = 1; i < utf8.data.size(); ++i)  // PrintableString to UTF8String
    if (utf8.data[i] == 0x13 && utf8.data[i - 1] != 0x31) utf8.data[i] = 0x0c;
  EXPECT_NE(utf8.data, peer.data);
  EXPECT_EQ(match(peer, utf8), kExactMatch);
  EXPECT_EQ(to_string(utf8), to_string(peer));
  const int one = match(id("C=CH, O=strongSwan, CN=*"), peer);
  const int two = match(id("C=CH, O=*, CN=*"), peer);
  EXPECT_LT(one, kExactMatch);
  EXPECT_GT(one, two);
  EXPECT_GT(two, 0);
  EXPECT_EQ(match(id("C=CH, CN=*"), peer), 0);
  EXPECT_EQ(match(id("C=CH, CN=*, O=strongSwan"), peer), one);  // in any order
  EXPECT_EQ(match(id("CN=moon, O=strongSwan, C=CH"), peer), kExactMatch - 1);
  EXPECT_EQ(match(id("C=CH, C=*, CN=moon"), peer), 0);
  EXPECT_NE(index_key(id("CN=ab")), index_key(id("CN=a, CN=b")));
  // Octets that are no name never equal one, whatever they spell.
  const std::string key = index_key(peer);
  EXPECT_FALSE(matches(peer, raw(IdType::der_asn1_dn, std::string_view(key).substr(2))));
}

TEST(IdentityWire, RoundTrip) {
  const auto payload = to_wire(id("moon.example.org"));
  EXPECT_EQ(payload.type, IdType::fqdn);
  EXPECT_EQ(identity_of(payload), id("moon.example.org"));
  EXPECT_TRUE(identity_of(IpAddress{}).is_any());
}

}  // namespace
}  // namespace culvert
