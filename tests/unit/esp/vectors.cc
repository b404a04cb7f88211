// Octet for octet what another implementation makes: packets.json says which.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "esp/transform.h"
#include "net/encapsulation.h"

namespace culvert::esp {
namespace {

Bytes from_hex(std::string_view text) {
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    bytes.push_back(
        static_cast<std::uint8_t>(std::stoul(std::string(text.substr(i, 2)), nullptr, 16)));
  return bytes;
}

Key key_of(std::size_t size) {
  Bytes octets(size);
  for (std::size_t i = 0; i < size; ++i) octets[i] = static_cast<std::uint8_t>(7 * i + 3);
  return Key(octets);
}

struct Vector {
  explicit Vector(const nlohmann::json& json)
      : ah(json.at("name").get<std::string>().starts_with("AH")),
        tunnel(json.at("mode") == "tunnel"),
        sequence(json.at("sequence")),
        plain(from_hex(json.at("plain").get<std::string>())),
        sealed(from_hex(json.at("sealed").get<std::string>())) {
    const std::map<std::string, Integ> integs{
        {"HMAC-MD5-96", Integ::hmac_md5_96},        {"HMAC-SHA1-96", Integ::hmac_sha1_96},
        {"SHA2-256-128", Integ::hmac_sha2_256_128}, {"SHA2-384-192", Integ::hmac_sha2_384_192},
        {"SHA2-512-256", Integ::hmac_sha2_512_256}, {"AES-CMAC-96", Integ::aes_cmac_96}};
    parameters.spi = 0x11223344;
    parameters.esn = json.at("esn");
    parameters.protocol = ah ? IpsecProtocol::ah : IpsecProtocol::esp;
    parameters.outer = sealed[0] >> 4 == 4 ? Family::v4 : Family::v6;
    parameters.cipher = {Encr::aes_gcm_16, 128, Integ::none};
    if (const auto integ = integs.find(json.at("algorithm")); integ != integs.end())
      parameters.cipher = {ah ? Encr::none : Encr::null, 0, integ->second};
    const auto sizes = *sizes_of(parameters.cipher);
    keys = {key_of(sizes.key), key_of(sizes.integ_key)};
    prefix = tunnel ? (parameters.outer == Family::v4 ? 20 : 40) : transport_headers(plain);
  }

  bool ah, tunnel;
  std::uint64_t sequence;
  Bytes plain, sealed;
  TransformParameters parameters;
  SaKeys keys;
  std::size_t prefix = 0;  // octets in front of ESP or AH
};

// The packet as Outbound makes it, with room behind for AH.
Bytes seal(const Vector& v, CipherEngine& engine) {
  auto sealer = *Sealer::make(engine, v.parameters, v.keys);
  sealer.set_next_sequence(v.sequence);
  const ByteView payload = v.tunnel ? ByteView(v.plain) : ByteView(v.plain).subspan(v.prefix);
  const std::size_t size = sealer.sealed_size(payload.size());
  Bytes packet(v.prefix + size + sealer.tail_room());
  const auto protocol = static_cast<std::uint8_t>(v.parameters.protocol);
  std::uint8_t next = v.plain[0] >> 4 == 4 ? ip::kIpip : ip::kIpv6;
  if (v.tunnel) {
    const bool v4 = v.parameters.outer == Family::v4;
    write_ip_header(
        {*IpAddress::parse(v4 ? "203.0.113.1" : "2001:db8:1::1"),
         *IpAddress::parse(v4 ? "203.0.113.2" : "2001:db8:1::2"), protocol, 0, true, 99},
        size, packet.data());
  } else {
    std::copy_n(v.plain.begin(), v.prefix, packet.begin());
    next = announced_protocol(ByteView(v.plain).first(v.prefix));
    announce(MutableBytes(packet).first(v.prefix), protocol, size);
  }
  std::uint8_t* at = packet.data() + v.prefix;
  std::ranges::copy(payload, at + sealer.header_size());
  auto op = sealer.prepare(at, payload.size(), next, v.prefix);
  sealer.seal({&*op, 1});
  EXPECT_TRUE(op->ok);
  packet.resize(v.prefix + size);
  return packet;
}

// What stood inside, put together as Inbound does.
Bytes open(const Vector& v, CipherEngine& engine) {
  auto opener = *Opener::make(engine, v.parameters, v.keys);
  Bytes packet = v.sealed;
  packet.resize(packet.size() + kMaxIcv);
  MutableBytes view = MutableBytes(packet).first(v.sealed.size());
  CryptoOp op;
  if (!v.ah) view = view.subspan(v.prefix);
  EXPECT_EQ(opener.examine(view, op, v.ah ? v.prefix : 0), Opener::Verdict::ok);
  // As if the replay window had come that far.
  if (v.parameters.esn) op.sequence_high = static_cast<std::uint32_t>(v.sequence >> 32);
  opener.open({&op, 1});
  const auto opened = opener.accept(op);
  EXPECT_EQ(opened.verdict, Opener::Verdict::ok);
  if (v.tunnel) return to_bytes(opened.payload);
  Bytes whole = to_bytes(ByteView(v.sealed).first(v.prefix));
  announce(whole, opened.next_header, opened.payload.size());
  append(whole, opened.payload);
  return whole;
}

TEST(Vectors, PacketsAreAsAnotherImplementationMakesThem) {
  std::ifstream file(std::string(CULVERT_VECTORS) + "/scapy/packets.json");
  const auto json = nlohmann::json::parse(file);
  ASSERT_EQ(json.at("vectors").size(), 38u);
  for (const bool only_openssl : {false, true}) {
    CipherEngine engine(only_openssl);
    for (const auto& one : json.at("vectors")) {
      SCOPED_TRACE(one.at("name").get<std::string>() + " " + one.at("mode").get<std::string>() +
                   " " + one.at("algorithm").get<std::string>());
      const Vector v(one);
      EXPECT_EQ(seal(v, engine), v.sealed);
      EXPECT_EQ(open(v, engine), v.plain);
      Bytes forged = v.sealed;
      forged.back() ^= 1;
      forged.resize(v.sealed.size() + kMaxIcv);
      auto opener = *Opener::make(engine, v.parameters, v.keys);
      MutableBytes view = MutableBytes(forged).first(v.sealed.size());
      CryptoOp op;
      ASSERT_EQ(opener.examine(v.ah ? view : view.subspan(v.prefix), op, v.ah ? v.prefix : 0),
                Opener::Verdict::ok);
      if (v.parameters.esn) op.sequence_high = static_cast<std::uint32_t>(v.sequence >> 32);
      opener.open({&op, 1});
      EXPECT_EQ(opener.accept(op).verdict, Opener::Verdict::bad_integrity);
    }
  }
}

}  // namespace
}  // namespace culvert::esp
