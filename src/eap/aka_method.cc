// EAP-AKA (RFC 4187, 3 and 9) and EAP-AKA' (RFC 9048, 3), both sides:
//
//   server                                             peer
//   AKA-Identity, if the identity is not known      ->
//                                                   <-  AKA-Identity (identity)
//   AKA-Challenge (RAND, AUTN, MAC)                 ->
//                                                   <-  AKA-Challenge (RES, MAC)
//                                        or         <-  AKA-Synchronization-Failure (AUTS)
//   and another AKA-Challenge                       ->
//                                        or         <-  AKA-Authentication-Reject
#include <algorithm>

#include "eap/sim_method_base.h"

namespace culvert::eap::sim {
namespace {

constexpr std::uint16_t kKdf = 1;              // RFC 9048, 3.3
constexpr std::uint16_t kBiddingBit = 0x8000;  // of AT_BIDDING: RFC 9048, 4
constexpr std::size_t kSeparationOctet = 6;    // of AUTN: the first of AMF
constexpr std::uint8_t kSeparationBit = 0x80;
constexpr std::size_t kMinRes = 4, kMaxRes = 16;
constexpr std::size_t kCipherKeySize = 16;  // CK and IK

Result<Keys> keys_of(Provider& provider, Type type, std::string_view identity, ByteView ik,
                     ByteView ck, ByteView autn, ByteView network) {
  if (type == kAka) return aka_keys(provider, identity, ik, ck);
  return aka_prime_keys(provider, identity, ik, ck, autn, network);
}

// RFC 4187, 10.13 and RFC 9048, 3.4.3: over the AKA-Identity packets; empty when there were none.
Result<Bytes> checkcode(Provider& provider, Type type, ByteView packets) {
  if (packets.empty()) return Bytes();
  const bool prime = type == kAkaPrime;
  Bytes digest(prime ? 32 : 20);
  CHECK_OK(provider.hash(prime ? Hash::sha2_256 : Hash::sha1, {packets}, digest));
  return digest;
}

// One that the other side sent; none is right as well.
bool checkcode_fits(Provider& provider, Type type, ByteView packets, const Message& message) {
  const auto received = message.value(Attribute::checkcode);
  if (!received) return true;
  const auto expected = checkcode(provider, type, packets);
  return expected && equal(*expected, *received);
}

class AkaServer final : public ServerBase {
 public:
  using ServerBase::ServerBase;

  Turn begin(std::uint8_t identifier) override {
    if (find_subscriber()) return challenge(identifier);
    Composer composer(Subtype::aka_identity);
    composer.number(Attribute::permanent_id_req, 0);
    Bytes data = composer.take();
    identity_packets_ = encode(request_head(type_, identifier), data);
    return Turn::send(std::move(data));
  }

 private:
  Turn receive_message(const Packet& packet, const Message& message) override {
    const bool challenged = !vector_.rand.empty();
    if (!challenged && message.subtype() == Subtype::aka_identity) {
      if (auto refusal = take_identity(message)) return std::move(*refusal);
      append(identity_packets_, packet.whole);
      return challenge(next_identifier(packet));
    }
    if (challenged && message.subtype() == Subtype::aka_challenge)
      return receive_challenge(packet, message);
    if (challenged && message.subtype() == Subtype::synchronization_failure)
      return resynchronise(packet, message);
    if (challenged && message.subtype() == Subtype::authentication_reject)
      return Turn::fail(Failure::peer_gave_up, "its card rejects AUTN: the keys differ");
    return Turn::fail(Failure::protocol_error, to_string(type_) + " message out of turn");
  }

  Turn challenge(std::uint8_t identifier) {
    const bool prime = type_ == kAkaPrime;
    auto vector = server_.centre.quintuplet(identity_, prime);
    if (!vector) return Turn::fail(Failure::unusable_secret, to_string(type_) + " needs Milenage");
    vector_ = std::move(*vector);
    auto keys = keys_of(server_.provider, type_, identity_, vector_.ik, vector_.ck, vector_.autn,
                        as_bytes(server_.network_name));
    const auto check = checkcode(server_.provider, type_, identity_packets_);
    if (!keys || !check) return no_crypto();
    keys_ = std::move(*keys);
    Composer composer(Subtype::aka_challenge);
    composer.value(Attribute::rand, vector_.rand);
    composer.value(Attribute::autn, vector_.autn);
    if (prime) {
      composer.number(Attribute::kdf, kKdf);
      composer.sized(Attribute::kdf_input, as_bytes(server_.network_name));
    }
    if (!prime && server_.offers_aka_prime) composer.number(Attribute::bidding, kBiddingBit);
    composer.value(Attribute::checkcode, *check);
    return send_with_mac(std::move(composer), identifier, {});
  }

  Turn receive_challenge(const Packet& packet, const Message& message) {
    const auto res = message.sized(Attribute::res, 1);
    if (!res) return Turn::fail(Failure::protocol_error, "no AT_RES");
    if (!mac_fits(server_.provider, keys_.mac, keys_.aut.view(), packet, message, {}) ||
        !equal_constant_time(*res, vector_.xres))
      return Turn::fail(Failure::wrong_password, "AT_RES does not fit the subscriber's key");
    if (!checkcode_fits(server_.provider, type_, identity_packets_, message))
      return Turn::fail(Failure::protocol_error, "wrong AT_CHECKCODE");
    return Turn::succeed();
  }

  Turn resynchronise(const Packet& packet, const Message& message) {
    const auto auts = message.auts();
    if (!auts) return Turn::fail(Failure::protocol_error, "no AT_AUTS");
    if (std::exchange(resynchronised_, true) ||
        !server_.centre.resynchronise(identity_, vector_.rand, *auts))
      return Turn::fail(Failure::wrong_password, "the card's sequence number does not verify");
    return challenge(next_identifier(packet));
  }

  Quintuplet vector_;
  Bytes identity_packets_;
  bool resynchronised_ = false;
};

class AkaPeer final : public PeerBase {
 public:
  using PeerBase::PeerBase;

 private:
  Turn receive_message(const Packet& packet, const Message& message) override {
    if (content_) return malformed(to_string(type_) + " message out of turn");
    if (message.subtype() == Subtype::aka_identity) return receive_identity(packet, message);
    if (message.subtype() == Subtype::aka_challenge) return receive_challenge(packet, message);
    return malformed(to_string(type_) + " message out of turn");
  }

  Turn receive_identity(const Packet& packet, const Message& message) {
    Composer composer(Subtype::aka_identity);
    answer_identity(message, composer);
    Bytes data = composer.take();
    append(identity_packets_, packet.whole);
    append(identity_packets_, encode(response_head(packet), data));
    return Turn::send(std::move(data));
  }

  static Turn reject(std::string detail) {
    return Turn::fail_with(Composer(Subtype::authentication_reject).take(),
                           Failure::server_not_trusted, std::move(detail));
  }

  Turn receive_challenge(const Packet& packet, const Message& message) {
    const auto rand = message.value(Attribute::rand, kRandSize);
    const auto autn = message.value(Attribute::autn, kAutnSize);
    if (!rand || !autn || !message.has(Attribute::mac)) return malformed("no RAND, AUTN or MAC");
    if (type_ == kAkaPrime)
      if (auto turn = check_kdf(message, *autn)) return std::move(*turn);
    const bool bid_down = (message.number(Attribute::bidding).value_or(0) & kBiddingBit) != 0;
    if (type_ == kAka && bid_down && peer_.accepts_aka_prime)
      return reject("the server can do EAP-AKA', and so can we: somebody is in between");
    SimCard::UmtsResult result = peer_.card.umts(*rand, *autn);
    if (std::holds_alternative<SimCard::Rejected>(result)) return reject("the card rejects AUTN");
    if (const auto* resync = std::get_if<SimCard::Resynchronise>(&result))
      return synchronise(resync->auts);
    return answer(packet, message, std::get<SimCard::Umts>(result), *autn);
  }

  // RFC 9048, 3.2 and 3.3. nullopt: the first key derivation function is the one that we have.
  std::optional<Turn> check_kdf(const Message& message, ByteView autn) {
    auto kdfs = message.numbers(Attribute::kdf);
    const auto network = message.sized(Attribute::kdf_input);
    if (kdfs.empty() || !network || network->empty() ||
        (autn[kSeparationOctet] & kSeparationBit) == 0)
      return reject("no AT_KDF or AT_KDF_INPUT, or AUTN is for another method");
    const bool ours = kdfs.front() == kKdf;
    if (chosen_ && !ours) return reject("not the AT_KDF that was asked for");
    if (chosen_) kdfs.erase(kdfs.begin());  // our choice, put before the list of the server
    std::ranges::sort(kdfs);
    if (std::ranges::adjacent_find(kdfs) != kdfs.end()) return reject("an AT_KDF twice");
    if (ours) return std::nullopt;
    if (!std::ranges::binary_search(kdfs, kKdf)) return reject("no AT_KDF that is known here");
    chosen_ = true;
    Composer composer(Subtype::aka_challenge);
    composer.number(Attribute::kdf, kKdf);
    return Turn::send(composer.take());
  }

  Turn synchronise(ByteView auts) {
    if (std::exchange(resynchronised_, true)) return reject("the sequence number is still too low");
    Composer composer(Subtype::synchronization_failure);
    composer.auts(auts);
    if (type_ == kAkaPrime) composer.number(Attribute::kdf, kKdf);
    return Turn::send(composer.take());
  }

  Turn answer(const Packet& packet, const Message& message, const SimCard::Umts& umts,
              ByteView autn) {
    if (umts.res.size() < kMinRes || umts.res.size() > kMaxRes ||
        umts.ck.size() != kCipherKeySize || umts.ik.size() != kCipherKeySize)
      return client_error(ClientError::unable, Failure::no_credential,
                          "the card's answer is wrong");
    auto keys = keys_of(peer_.provider, type_, identity_, umts.ik, umts.ck, autn,
                        message.sized(Attribute::kdf_input).value_or(ByteView{}));
    const auto check = checkcode(peer_.provider, type_, identity_packets_);
    if (!keys || !check) return no_crypto();
    if (!mac_fits(peer_.provider, keys->mac, keys->aut.view(), packet, message, {}) ||
        !checkcode_fits(peer_.provider, type_, identity_packets_, message))
      return client_error(ClientError::unable, Failure::server_not_trusted,
                          "wrong AT_MAC or AT_CHECKCODE");
    keys_ = std::move(*keys);
    Composer composer(Subtype::aka_challenge);
    composer.sized(Attribute::res, umts.res, 1);
    if (message.has(Attribute::checkcode)) composer.value(Attribute::checkcode, *check);
    return content(std::move(composer), packet, {});
  }

  Bytes identity_packets_;
  bool resynchronised_ = false;
  bool chosen_ = false;  // we asked for a key derivation function other than the first
};

}  // namespace

std::unique_ptr<Method> make_aka_server(Type type, const SimServer& server,
                                        const std::string& identity) {
  return std::make_unique<AkaServer>(type, server, identity);
}
std::unique_ptr<Method> make_aka_peer(Type type, const SimPeer& peer, const std::string& identity) {
  return std::make_unique<AkaPeer>(type, peer, identity);
}

}  // namespace culvert::eap::sim
