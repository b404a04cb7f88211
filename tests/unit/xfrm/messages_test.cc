// What is said to the kernel, octet for octet; and what it says, as the kernel says it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>

#include <cstring>

#include "net/address.h"
#include "xfrm/algorithms.h"
#include "xfrm/parse.h"

namespace culvert::xfrm {
namespace {

using testing::HasSubstr;

IpAddress ip(std::string_view text) { return IpAddress::parse(text).value(); }
TrafficSelector ts(std::string_view text) { return parse_selector(text).value().selector; }

std::string hex(ByteView octets) {
  std::string text;
  for (const auto octet : octets) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    text += kDigits[octet >> 4];
    text += kDigits[octet & 15];
  }
  return text;
}
std::string zeros(std::size_t octets) { return std::string(octets * 2, '0'); }
std::string ones(std::size_t octets) { return std::string(octets * 2, 'f'); }
// A name as the kernel has it: 64 octets.
std::string name(std::string_view text) { return hex(as_bytes(text)) + zeros(64 - text.size()); }

// Of an SA's and a policy's four limits of age the second says who made it.
const std::string kOurTimes = zeros(8) + "545245564c554300" + zeros(16);

InstallSa gcm_sa(Direction direction) {
  InstallSa sa;
  sa.direction = direction;
  sa.spi = 0xc0ffee42;
  sa.cipher = {Encr::aes_gcm_16, 128, Integ::none};
  Bytes key(20);
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::uint8_t>(i);
  sa.keys.encryption.assign(key);
  sa.local = {ip("192.0.2.1"), 4500};
  sa.remote = {ip("198.51.100.2"), 4501};
  sa.reqid = 7;
  sa.replay_window = 64;
  return sa;
}

// The attributes of a message after a body of `body` octets: type to value.
std::map<unsigned, std::string> attributes(ByteView message, std::size_t body) {
  std::map<unsigned, std::string> found;
  std::size_t at = 16 + ((body + 3) & ~std::size_t{3});
  while (at + 4 <= message.size()) {
    std::uint16_t length, type;
    std::memcpy(&length, message.data() + at, 2);
    std::memcpy(&type, message.data() + at + 2, 2);
    if (length < 4) break;
    found[type] = hex(message.subspan(at + 4, length - 4u));
    at += (length + 3u) & ~3u;
  }
  return found;
}

std::map<unsigned, std::string> sa_attributes(const InstallSa& sa) {
  Batch batch(2);
  EXPECT_TRUE(add_sa(batch, sa, 0));
  return attributes(batch.message(batch.size() - 1), sizeof(xfrm_usersa_info));
}

TEST(NewSa, InboundTunnelWithGcmGolden) {
  Batch batch(1);
  ASSERT_TRUE(add_sa(batch, gcm_sa(Direction::in), 0));
  ASSERT_EQ(batch.size(), 1u);
  const std::string expected =
      "7c010000"
      "1000"
      "0506"
      "00000000"
      "00000000"     // NEWSA: REQUEST ACK EXCL CREATE
      + zeros(56) +  // selector: any
      "c0000201" + zeros(12) +
      "c0ffee42"
      "32"
      "000000" +  // to us, SPI, ESP
      "c6336402" +
      zeros(12) +                         // from the peer
      ones(32) + kOurTimes +              // no limits, but our sign
      zeros(32) + zeros(12) + zeros(4) +  // counters, stats, seq
      "07000000"
      "0200"
      "01"
      "00"
      "20" +
      zeros(7) +  // reqid, AF_INET, tunnel, AF_UNSPEC
      "6000"
      "1200" +
      name("rfc4106(gcm(aes))") +
      "a0000000"
      "80000000"
      "000102030405060708090a0b0c0d0e0f10111213"
      "2400"
      "1700"
      "02000000" +
      zeros(16) + "40000000" + zeros(8) +  // replay: 64 packets
      "0800"
      "0b00"
      "01000000";  // tell the first packet
  EXPECT_EQ(hex(batch.message(0)), expected);
}

TEST(NewSa, SaysWhatTheOptionsAsk) {
  InstallSa sa = gcm_sa(Direction::out);
  sa.udp_encap = true;
  sa.mark = {5, 0xff};
  sa.set_mark = {0x4501, 0xffffffff};
  sa.if_id = 9;
  sa.tfc_padding = 1'400;
  sa.copy_dscp = CopyDscp::no;
  const auto found = sa_attributes(sa);
  EXPECT_EQ(found.at(XFRMA_ENCAP),
            "0200"
            "1194"
            "1195"
            "0000" +
                zeros(16));
  EXPECT_EQ(found.at(XFRMA_MARK),
            "05000000"
            "ff000000");
  EXPECT_EQ(found.at(XFRMA_SET_MARK), "01450000");
  EXPECT_EQ(found.at(XFRMA_SET_MARK_MASK), "ffffffff");
  EXPECT_EQ(found.at(XFRMA_IF_ID), "09000000");
  EXPECT_EQ(found.at(XFRMA_TFCPAD), "78050000");
  EXPECT_EQ(found.at(XFRMA_SA_EXTRA_FLAGS), "01000000");
  EXPECT_EQ(found.at(XFRMA_REPLAY_THRESH), "ffffffff") << "outbound packets are never told";
  EXPECT_FALSE(found.contains(XFRMA_REPLAY_ESN_VAL));
  sa.esn = true;
  EXPECT_EQ(sa_attributes(sa).at(XFRMA_REPLAY_ESN_VAL),
            "01000000" + zeros(16) + "20000000" + zeros(4));
}

TEST(NewSa, InboundEncapsulationHasThePeersPortFirst) {
  InstallSa sa = gcm_sa(Direction::in);
  sa.udp_encap = true;
  sa.replay_window = 100'000;
  const auto found = sa_attributes(sa);
  EXPECT_EQ(found.at(XFRMA_ENCAP),
            "0200"
            "1195"
            "1194"
            "0000" +
                zeros(16));
  EXPECT_EQ(found.at(XFRMA_REPLAY_ESN_VAL).substr(40, 8), "00100000") << "the kernel's most";
}

TEST(NewSa, LimitsAreInPacketsAndOctets) {
  InstallSa sa = gcm_sa(Direction::out);
  sa.lifetime.rekey_bytes = 1'000;
  sa.lifetime.rand_bytes = 100;
  sa.lifetime.life_packets = 3;
  Batch batch(1);
  ASSERT_TRUE(add_sa(batch, sa, 0.5));
  const auto* info = reinterpret_cast<const xfrm_usersa_info*>(batch.message(0).data() + 16);
  EXPECT_EQ(info->lft.soft_byte_limit, 950u);
  EXPECT_EQ(info->lft.hard_byte_limit, XFRM_INF);
  EXPECT_EQ(info->lft.soft_packet_limit, XFRM_INF);
  EXPECT_EQ(info->lft.hard_packet_limit, 3u);
}

TEST(NewSa, CompressionIsAnSaOfItsOwnInsideTransport) {
  InstallSa sa = gcm_sa(Direction::out);
  sa.cpi = 0x1234;
  Batch batch(2);
  ASSERT_TRUE(add_sa(batch, sa, 0));
  ASSERT_EQ(batch.size(), 2u);
  const auto info = [&](std::size_t i) {
    return reinterpret_cast<const xfrm_usersa_info*>(batch.message(i).data() + 16);
  };
  EXPECT_EQ(info(0)->id.proto, 108);
  EXPECT_EQ(info(0)->id.spi, 0x34120000u);
  EXPECT_EQ(info(0)->mode, XFRM_MODE_TUNNEL);
  EXPECT_EQ(info(1)->mode, XFRM_MODE_TRANSPORT);
  EXPECT_EQ(attributes(batch.message(0), sizeof(xfrm_usersa_info)).at(XFRMA_ALG_COMP),
            name("deflate") + zeros(4));
}

TEST(NewSa, AhHasNoCipherAndEspNoUnknownOne) {
  InstallSa sa = gcm_sa(Direction::in);
  Batch batch(1);
  sa.protocol = IpsecProtocol::ah;
  EXPECT_FALSE(add_sa(batch, sa, 0));
  sa.cipher = {Encr::none, 0, Integ::hmac_sha2_256_128};
  ASSERT_TRUE(add_sa(batch, sa, 0));
  const auto found = attributes(batch.message(0), sizeof(xfrm_usersa_info));
  EXPECT_FALSE(found.contains(XFRMA_ALG_CRYPT));
  EXPECT_THAT(found.at(XFRMA_ALG_AUTH_TRUNC), HasSubstr(name("hmac(sha256)")));
  const auto* info = reinterpret_cast<const xfrm_usersa_info*>(batch.message(0).data() + 16);
  EXPECT_TRUE(info->flags & XFRM_STATE_ALIGN4) << "RFC 4302, 2.2";
  sa.cipher = {Encr::blowfish, 128, Integ::hmac_sha1_96};
  EXPECT_FALSE(add_sa(batch, sa, 0));
}

TEST(Algorithms, EveryCipherOfOursHasItsKernelName) {
  const std::pair<CipherSpec, const char*> rows[] = {
      {{Encr::aes_gcm_8, 256, Integ::none}, "rfc4106(gcm(aes)), 256 bits"},
      {{Encr::aes_ccm_16, 128, Integ::none}, "rfc4309(ccm(aes)), 128 bits"},
      {{Encr::chacha20_poly1305, 0, Integ::none}, "rfc7539esp(chacha20,poly1305)"},
      {{Encr::aes_ctr, 192, Integ::aes_xcbc_96}, "rfc3686(ctr(aes)), 192 bits with xcbc(aes)"},
      {{Encr::null, 0, Integ::hmac_sha2_384_192}, "ecb(cipher_null) with hmac(sha384)"},
      {{Encr::triple_des, 0, Integ::hmac_md5_96}, "cbc(des3_ede) with hmac(md5)"},
      {{Encr::none, 0, Integ::aes_cmac_96}, "cmac(aes)"},
  };
  for (const auto& [spec, text] : rows) EXPECT_EQ(cipher_text(spec), text);
}

// The kernel's answer to GETSA is the same structure; so a request of ours serves as one.
TEST(MovedSa, KeepsEverythingButAddressesAndLeapsAhead) {
  InstallSa sa = gcm_sa(Direction::out);
  sa.esn = true;
  Batch answer(1);
  ASSERT_TRUE(add_sa(answer, sa, 0));
  Batch batch(1);
  const UpdateSa to{{}, {ip("2001:db8::1"), 4500}, {ip("2001:db8::2"), 61'000}, true};
  ASSERT_TRUE(add_moved_sa(batch, answer.message(0), Direction::out, to));
  const auto* info = reinterpret_cast<const xfrm_usersa_info*>(batch.message(0).data() + 16);
  EXPECT_EQ(info->family, 10);
  EXPECT_EQ(std::memcmp(&info->id.daddr, to.remote.address.bytes().data(), 16), 0);
  EXPECT_EQ(std::memcmp(&info->saddr, to.local.address.bytes().data(), 16), 0);
  const auto before = attributes(answer.message(0), sizeof(xfrm_usersa_info));
  const auto after = attributes(batch.message(0), sizeof(xfrm_usersa_info));
  EXPECT_EQ(after.at(XFRMA_ALG_AEAD), before.at(XFRMA_ALG_AEAD));
  EXPECT_EQ(after.at(XFRMA_ENCAP),
            "0200"
            "1194"
            "ee48"
            "0000" +
                zeros(16));
  EXPECT_EQ(after.at(XFRMA_REPLAY_ESN_VAL).substr(8, 8), "00040000") << "1,024 ahead";
  Batch bad;
  EXPECT_FALSE(add_moved_sa(bad, answer.message(0).first(100), Direction::out, to));
}

TEST(Policy, TrapGolden) {
  Batch batch;
  Template one;
  one.reqid = 3;
  put_policy(batch,
             {PolicyDirection::out,
              selectors_of({ts("10.1.0.0/16")}, {ts("10.2.0.0/24[tcp/80]")})->at(0), 1, 0xf, 6},
             {0x1234, false, {one}});
  const std::string selector = "0a020000" + zeros(12) + "0a010000" + zeros(12) +
                               "0050"
                               "ffff"
                               "0000"
                               "0000"
                               "0200"
                               "18"
                               "10"
                               "06"
                               "000000" +
                               zeros(8);
  const std::string expected =
      "10010000"
      "1900"
      "0501"
      "00000000"
      "00000000" +
      selector + ones(32) + kOurTimes + zeros(32) + "34120000" + zeros(4) +
      "01"
      "00"
      "00"
      "00" +
      zeros(4) +
      "4400"
      "0500" +
      zeros(16) +
      "00000000"
      "32"
      "000000"
      "0200"
      "0000" +
      zeros(16) +
      "03000000"
      "01"
      "00"
      "00"
      "00" +
      ones(12) +
      "0c00"
      "1500"
      "01000000"
      "0f000000"
      "0800"
      "1f00"
      "06000000";
  EXPECT_EQ(hex(batch.message(0)), expected);
}

TEST(Policy, DeletionNamesTheSameKey) {
  Batch batch;
  const PolicyKey key{PolicyDirection::fwd,
                      selectors_of({ts("::/0")}, {ts("fd02::/64")})->at(0).reversed(), 0, 0, 6};
  delete_policy(batch, key);
  const auto* id = reinterpret_cast<const xfrm_userpolicy_id*>(batch.message(0).data() + 16);
  EXPECT_EQ(id->dir, XFRM_POLICY_FWD);
  EXPECT_EQ(id->sel.family, 10);
  EXPECT_EQ(id->sel.prefixlen_s, 64);
  EXPECT_EQ(id->sel.prefixlen_d, 0);
  EXPECT_EQ(attributes(batch.message(0), sizeof *id).at(XFRMA_IF_ID), "06000000");
}

// ---- what comes back ----

template <class Body>
Bytes message(std::uint16_t type, const Body& body, ByteView attributes = {}) {
  Bytes octets(16 + ((sizeof body + 3) & ~std::size_t{3}));
  std::memcpy(octets.data() + 16, &body, sizeof body);
  append(octets, attributes);
  const auto length = static_cast<std::uint32_t>(octets.size());
  std::memcpy(octets.data(), &length, 4);
  std::memcpy(octets.data() + 4, &type, 2);
  return octets;
}

xfrm_user_acquire acquire() {
  xfrm_user_acquire body{};
  const auto v4 = [](xfrm_address_t& to, std::string_view text) {
    std::memcpy(&to, ip(text).bytes().data(), 4);
  };
  body.sel.family = body.policy.sel.family = 2;
  v4(body.sel.saddr, "10.1.0.1");
  v4(body.sel.daddr, "10.2.0.9");
  body.sel.proto = 1;
  body.sel.sport = 0x0800;  // echo request, in network order
  v4(body.policy.sel.saddr, "10.1.0.0");
  v4(body.policy.sel.daddr, "10.2.0.0");
  body.policy.sel.prefixlen_s = 16;
  body.policy.sel.prefixlen_d = 16;
  return body;
}

TEST(Events, AcquireNamesPolicyAndPacket) {
  const auto octets = message(XFRM_MSG_ACQUIRE, acquire());
  const auto event = parse_event(octets);
  ASSERT_TRUE(event);
  const auto& got = std::get<AcquireEvent>(*event);
  EXPECT_EQ(got.key.selector, selectors_of({ts("10.1.0.0/16")}, {ts("10.2.0.0/16")})->at(0));
  EXPECT_EQ(to_string(got.local), "10.1.0.1/32[icmp/8]");
  EXPECT_EQ(got.remote.first, ip("10.2.0.9"));
}

TEST(Events, LengthsAreNotTrusted) {
  const auto whole = message(XFRM_MSG_ACQUIRE, acquire());
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(parse_event(ByteView(whole).first(size)));
  auto wrong = acquire();
  wrong.policy.sel.prefixlen_s = 200;
  EXPECT_FALSE(parse_event(message(XFRM_MSG_ACQUIRE, wrong)));
  wrong = acquire();
  wrong.sel.family = 99;
  EXPECT_FALSE(parse_event(message(XFRM_MSG_ACQUIRE, wrong)));
}

TEST(Events, ExpiryMappingAndReplay) {
  xfrm_user_expire expire{};
  expire.state.family = 2;
  expire.state.id.proto = 50;
  expire.state.id.spi = 0x42eeffc0;
  expire.hard = 1;
  const auto expired = std::get<ExpireEvent>(parse_event(message(XFRM_MSG_EXPIRE, expire)).value());
  EXPECT_EQ(expired.name.spi, 0xc0ffee42);
  EXPECT_TRUE(expired.hard);

  xfrm_user_mapping mapping{};
  mapping.id.family = 2;
  mapping.new_sport = 0x9511;
  const auto moved =
      std::get<MappingEvent>(parse_event(message(XFRM_MSG_MAPPING, mapping)).value());
  EXPECT_EQ(moved.remote.port, 4501);

  xfrm_aevent_id replay{};
  replay.sa_id.family = 2;
  EXPECT_TRUE(parse_event(message(XFRM_MSG_NEWAE, replay)));
  replay.flags = XFRM_AE_CU;
  EXPECT_FALSE(parse_event(message(XFRM_MSG_NEWAE, replay))) << "our own change";
}

TEST(Acks, HaveTheKernelsWords) {
  nlmsgerr error{};
  error.error = -38;
  const std::string text = "Requested AEAD algorithm not found";
  Bytes attribute{static_cast<std::uint8_t>(4 + text.size() + 1), 0, 1, 0};
  append(attribute, as_bytes(text));
  attribute.push_back(0);
  auto octets = message(NLMSG_ERROR, error, attribute);
  const std::uint16_t flags = NLM_F_ACK_TLVS | NLM_F_CAPPED;
  std::memcpy(octets.data() + 6, &flags, 2);
  const auto ack = parse_ack(octets);
  ASSERT_TRUE(ack);
  EXPECT_EQ(ack->error, 38);
  EXPECT_EQ(ack->text, text);
  for (std::size_t size = 0; size < 36; ++size)
    EXPECT_FALSE(parse_ack(ByteView(octets).first(size)));
}

}  // namespace
}  // namespace culvert::xfrm
