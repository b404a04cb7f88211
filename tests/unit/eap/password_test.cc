// MD4, DES, the forms of passwords, MSCHAPv2's arithmetic, and the store of users.
#include "eap/password.h"

#include "conversation.h"
#include "eap/des.h"
#include "eap/md4.h"
#include "eap/mschapv2.h"
#include "eap/user_store.h"

namespace culvert::eap {
namespace {

using namespace testing;
using namespace std::chrono_literals;

TEST(PasswordTest, Md4VectorsOfRfc1320) {
  const std::pair<std::string_view, std::string_view> vectors[] = {
      {"", "31d6cfe0d16ae931b73c59d7e0c089c0"},
      {"a", "bde52cb31de33e46245e05fbdbd6fb24"},
      {"abc", "a448017aaf21d8525fc10ae87aa6729d"},
      {"message digest", "d9130a8164549fe818874806e1c7014b"},
      {"abcdefghijklmnopqrstuvwxyz", "d79e1c308aa5bbcdeea8ed63df412da9"},
      {"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
       "043f8582f241db351ce627e153e7f0e4"},
      {"12345678901234567890123456789012345678901234567890123456789012345678901234567890",
       "e33b4ddc9c38f2199c3e7b164fcc0536"},
  };
  for (const auto& [message, digest] : vectors) {
    Bytes out(kMd4Size);
    md4(as_bytes(message), out);
    EXPECT_EQ(out, unhex(digest)) << message;
  }
}

TEST(PasswordTest, Md5VectorOfRfc1321) {
  const auto provider = make_openssl_provider();
  Bytes out(16);
  ASSERT_TRUE(provider->hash(Hash::md5, {as_bytes("a"), as_bytes("bc")}, out));
  EXPECT_EQ(out, unhex("900150983cd24fb0d6963f7d28e17f72"));
}

// The 56 bits of a key with parity bits.
Bytes without_parity(const Bytes& key) {
  std::uint64_t packed = 0;
  for (const std::uint8_t octet : key) packed = packed << 7 | octet >> 1;
  Bytes seven(8);
  store_be(seven.data(), packed);
  return {seven.begin() + 1, seven.end()};
}

// Known answers of NIST SP 800-17: variable plaintext, variable key, substitution tables.
TEST(PasswordTest, DesVectors) {
  const std::tuple<std::string_view, std::string_view, std::string_view> vectors[] = {
      {"0101010101010101", "8000000000000000", "95F8A5E5DD31D900"},
      {"0101010101010101", "0000000000000001", "166B40B44ABA4BD6"},
      {"8001010101010101", "0000000000000000", "95A8D72813DAA94D"},
      {"7CA110454A1A6E57", "01A1D6D039776742", "690F5B0D9A26939B"},
      {"0131D9619DC1376E", "5CD54CA83DEF57DA", "7A389D10354BD271"},
      {"07A1133E4A0B2686", "0248D43806F67172", "868EBB51CAB4599A"},
      {"133457799BBCDFF1", "0123456789ABCDEF", "85E813540F0AB405"},
  };
  for (const auto& [key, plain, cipher] : vectors) {
    Bytes out(kDesBlock);
    des_encrypt(without_parity(unhex(key)), unhex(plain), out);
    EXPECT_EQ(out, unhex(cipher)) << key;
  }
}

TEST(PasswordTest, Mschapv2VectorsOfRfc2759AndRfc3079) {
  const auto provider = make_openssl_provider();
  const NtHash hash = nt_hash(as_bytes("clientPass"));
  EXPECT_EQ(to_bytes(hash.octets.view()), unhex("44EBBA8D5312B8D611474411F56989AE"));
  const Bytes authenticator = unhex("5B5D7C7D7B3F2F3E3C2C602132262628");
  const Bytes peer = unhex("21402324255E262A28295F2B3A337C7E");
  for (const char* user : {"User", "DOMAIN\\User"}) {
    const mschapv2::Inputs inputs{authenticator, peer, user};
    const auto response = mschapv2::nt_response(*provider, inputs, hash);
    ASSERT_TRUE(response);
    EXPECT_EQ(to_bytes(*response), unhex("82309ECD8D708B5EA08FAA3981CD83544233114A3D85D6DF"));
    const auto proof = mschapv2::authenticator_response(*provider, inputs, hash, *response);
    ASSERT_TRUE(proof);
    EXPECT_EQ(to_bytes(*proof), unhex("407A5589115FD0D6209F510FE9C04566932CDA56"));
    const auto key = mschapv2::msk(*provider, hash, *response);
    ASSERT_TRUE(key);
    // RFC 3079, 3.5.3 has the client's send key, which is the server's receive key.
    ASSERT_EQ(key->size(), kMskSize);
    EXPECT_EQ(to_bytes(key->view().subspan(16, 16)), unhex("8B7CDC149B993A1BA118CB153F56DCCB"));
    EXPECT_EQ(to_bytes(key->view().subspan(32)), Bytes(32));
  }
}

TEST(PasswordTest, PasswordsAreUtf8AndHashedAsUtf16) {
  const auto hash = [](std::string_view password) {
    return to_bytes(nt_hash(as_bytes(password)).octets.view());
  };
  const auto of_units = [](const Bytes& little_endian) {
    Bytes out(kMd4Size);
    md4(little_endian, out);
    return out;
  };
  EXPECT_EQ(hash(""), unhex("31d6cfe0d16ae931b73c59d7e0c089c0"));
  EXPECT_EQ(hash("\xc3\xa9\xe2\x82\xac\xf0\x9f\x94\x91"),
            of_units({0xe9, 0, 0xac, 0x20, 0x3d, 0xd8, 0x11, 0xdd}));
  // What is no UTF-8: a lone octet, an overlong slash, a surrogate, a cut character.
  EXPECT_EQ(hash("\xe9"), of_units({0xe9, 0}));
  EXPECT_EQ(hash("\xc0\xaf"), of_units({0xc0, 0, 0xaf, 0}));
  EXPECT_EQ(hash("\xe0\x80\xaf"), of_units({0xe0, 0, 0x80, 0, 0xaf, 0}));
  EXPECT_EQ(hash("\xed\xa0\x80"), of_units({0xed, 0, 0xa0, 0, 0x80, 0}));
  EXPECT_EQ(hash("\xe2\x82"), of_units({0xe2, 0, 0x82, 0}));
}

TEST(PasswordTest, FormsAsText) {
  const auto provider = make_openssl_provider();
  const auto hash = hash_password(*provider, as_bytes("secret"), 10);
  ASSERT_TRUE(hash);
  const std::string text = to_string(*hash);
  const auto parsed = parse_password(text);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(to_string(std::get<PasswordHash>(*parsed)), text);
  EXPECT_TRUE(verify(*provider, *parsed, as_bytes("secret")));
  EXPECT_FALSE(verify(*provider, *parsed, as_bytes("Secret")));
  EXPECT_FALSE(nt_hash_of(*parsed));
  const auto nt = parse_password("nt:44EBBA8D5312B8D611474411F56989AE");
  ASSERT_TRUE(nt);
  EXPECT_TRUE(verify(*provider, *nt, as_bytes("clientPass")));
  EXPECT_FALSE(verify(*provider, *nt, as_bytes("clientpass")));
  const auto clear = parse_password("clear:a:b");
  ASSERT_TRUE(clear);
  EXPECT_EQ(as_text(*clear_of(*clear)), "a:b");
  EXPECT_TRUE(verify(*provider, clone(*clear), as_bytes("a:b")));
  EXPECT_FALSE(verify(*provider, *clear, as_bytes("a:")));
  const std::string octets(64, '0');
  EXPECT_TRUE(parse_password("pbkdf2-sha256:1::" + octets));
  for (const std::string& bad :
       {std::string(), std::string("secret"), std::string("nt:"), std::string("nt:zz"),
        "nt:" + octets, std::string("pbkdf2-sha256:10"), "pbkdf2-sha256:0::" + octets,
        "pbkdf2-sha256:20001::" + octets, "pbkdf2-sha256:x::" + octets,
        "pbkdf2-sha256:-1::" + octets, "pbkdf2-sha256:1:0:" + octets,
        "pbkdf2-sha256:1::" + octets + "00", "clear:" + std::string(5'000, 'x')})
    EXPECT_FALSE(parse_password(bad)) << bad;
}

// PBKDF2 with HMAC-SHA-256, from RFC 7914, 11 (its first 32 octets).
TEST(PasswordTest, Pbkdf2Vector) {
  const auto provider = make_openssl_provider();
  const auto password = parse_password(
      "pbkdf2-sha256:1:73616c74:55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc");
  ASSERT_TRUE(password);
  EXPECT_TRUE(verify(*provider, *password, as_bytes("passwd")));
}

User user(std::string name, std::string_view password = "clear:x") {
  return {std::move(name), std::move(*parse_password(password)), true, std::nullopt, {}};
}

TEST(UserStoreTest, FindsByName) {
  UserStore users;
  users.add(user("alice"));
  users.add(user("CORP\\carol"));
  EXPECT_EQ(users.find("alice")->name, "alice");
  EXPECT_EQ(users.find("CORP\\alice")->name, "alice");
  EXPECT_EQ(users.find("CORP\\carol")->name, "CORP\\carol");
  EXPECT_FALSE(users.find("carol"));
  EXPECT_FALSE(users.find("Alice"));
  EXPECT_FALSE(users.find(""));
  EXPECT_FALSE(users.find(std::string_view("alice\0", 6)));
  users.add(user("alice", "clear:y"));
  EXPECT_EQ(users.size(), 2u);
  EXPECT_EQ(as_text(*clear_of(users.find("alice")->password)), "y");
  EXPECT_EQ(users.names(), (std::vector<std::string>{"CORP\\carol", "alice"}));
  EXPECT_TRUE(users.remove("alice"));
  EXPECT_FALSE(users.remove("alice"));
  EXPECT_FALSE(users.find("alice"));
  users.clear();
  EXPECT_EQ(users.size(), 0u);
}

TEST(UserStoreTest, UnknownUsersCostAsMuchAsKnownOnes) {
  const auto provider = make_openssl_provider();
  UserStore users;
  EXPECT_FALSE(verify(*provider, users.password_or_decoy(nullptr), as_bytes("")));
  const auto hash = hash_password(*provider, as_bytes("x"), 77);
  users.add(user("alice", to_string(*hash)));
  const auto* decoy = std::get_if<PasswordHash>(&users.password_or_decoy(users.find("bob")));
  ASSERT_TRUE(decoy);
  EXPECT_EQ(decoy->iterations, 77u);
  EXPECT_FALSE(verify(*provider, users.password_or_decoy(nullptr), as_bytes("x")));
  EXPECT_EQ(&users.password_or_decoy(users.find("alice")), &users.find("alice")->password);
}

TEST(UserStoreTest, WhoMayComeIn) {
  const std::chrono::sys_seconds now{1'000'000s};
  User alice = user("alice");
  EXPECT_FALSE(refusal_of(&alice, now));
  alice.expires = now + 1s;
  EXPECT_FALSE(refusal_of(&alice, now));
  alice.expires = now;
  EXPECT_EQ(refusal_of(&alice, now)->why, Failure::user_expired);
  alice.enabled = false;
  EXPECT_EQ(refusal_of(&alice, now)->why, Failure::user_disabled);
  EXPECT_EQ(refusal_of(nullptr, now)->why, Failure::no_such_user);
}

}  // namespace
}  // namespace culvert::eap
