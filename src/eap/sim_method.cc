// EAP-SIM (RFC 4186, 3 and 9), both sides:
//
//   server                                             peer
//   Start (versions, perhaps asks for the identity) ->
//                                                   <-  Start (NONCE_MT, version, identity)
//   Challenge (RAND of three triplets, MAC)         ->
//                                                   <-  Challenge (MAC over the three SRES)
#include <algorithm>

#include "eap/sim_method_base.h"

namespace culvert::eap::sim {
namespace {

constexpr std::uint16_t kVersion = 1;
constexpr std::uint8_t kOurVersions[] = {0, 1};
constexpr std::size_t kNonceSize = 16;
constexpr std::size_t kTriplets = 3;
constexpr std::size_t kFewestTriplets = 2;

class SimMethodServer final : public ServerBase {
 public:
  SimMethodServer(const SimServer& server, const std::string& identity)
      : ServerBase(kSim, server, identity) {}

  Turn begin(std::uint8_t) override {
    Composer composer(Subtype::start);
    asked_ = !find_subscriber();
    if (asked_) composer.number(Attribute::permanent_id_req, 0);
    composer.sized(Attribute::version_list, kOurVersions);
    return Turn::send(composer.take());
  }

 private:
  Turn receive_message(const Packet& packet, const Message& message) override {
    if (message.subtype() == Subtype::start && keys_.aut.empty())
      return receive_start(packet, message);
    if (message.subtype() == Subtype::challenge && !keys_.aut.empty())
      return receive_challenge(packet, message);
    return Turn::fail(Failure::protocol_error, "EAP-SIM message out of turn");
  }

  Turn receive_start(const Packet& packet, const Message& message) {
    if (asked_)
      if (auto refusal = take_identity(message)) return std::move(*refusal);
    const auto nonce = message.value(Attribute::nonce_mt, kNonceSize);
    if (!nonce || message.number(Attribute::selected_version) != kVersion)
      return Turn::fail(Failure::protocol_error, "no nonce, or a version that was not offered");
    const auto triplets = server_.centre.triplets(identity_, kTriplets);
    if (triplets.size() < kFewestTriplets)
      return Turn::fail(Failure::unusable_secret, "EAP-SIM needs Milenage or two triplets");
    SecretBytes kcs(kKcSize * triplets.size());
    Bytes rands;
    auto to = kcs.mutable_view().begin();
    for (const Triplet& triplet : triplets) {
      to = std::ranges::copy(triplet.kc, to).out;
      append(rands, triplet.rand);
      append(sres_, triplet.sres);
    }
    auto keys = sim_keys(server_.provider, identity_, kcs.view(), *nonce, kOurVersions, kVersion);
    if (!keys) return no_crypto();
    keys_ = std::move(*keys);
    Composer composer(Subtype::challenge);
    composer.value(Attribute::rand, rands);
    return send_with_mac(std::move(composer), next_identifier(packet), {*nonce});
  }

  Turn receive_challenge(const Packet& packet, const Message& message) {
    if (mac_fits(server_.provider, keys_.mac, keys_.aut.view(), packet, message, {sres_}))
      return Turn::succeed();
    return Turn::fail(Failure::wrong_password, "AT_MAC does not fit the subscriber's key");
  }

  bool asked_ = false;
  Bytes sres_;
};

class SimMethodPeer final : public PeerBase {
 public:
  SimMethodPeer(const SimPeer& peer, const std::string& identity)
      : PeerBase(kSim, peer, identity) {}

 private:
  Turn receive_message(const Packet& packet, const Message& message) override {
    if (message.subtype() == Subtype::start && !content_) return receive_start(message);
    if (message.subtype() == Subtype::challenge && !versions_.empty() && !content_)
      return receive_challenge(packet, message);
    return malformed("EAP-SIM message out of turn");
  }

  // RFC 4186, 4.2: the server may ask for up to three identities in as many rounds.
  Turn receive_start(const Message& message) {
    const auto versions = message.sized(Attribute::version_list);
    if (!versions || versions->size() % 2 != 0) return malformed("no version list");
    bool ours = false;
    for (std::size_t at = 0; at < versions->size(); at += 2)
      ours = ours || load_be<std::uint16_t>(versions->data() + at) == kVersion;
    if (!ours)
      return client_error(ClientError::version, Failure::protocol_error, "unknown version");
    versions_ = to_bytes(*versions);
    peer_.provider.random(nonce_);
    Composer composer(Subtype::start);
    answer_identity(message, composer);
    composer.value(Attribute::nonce_mt, nonce_);
    composer.number(Attribute::selected_version, kVersion);
    return Turn::send(composer.take());
  }

  Turn receive_challenge(const Packet& packet, const Message& message) {
    const auto rands = message.value(Attribute::rand);
    if (!rands || rands->size() % kRandSize != 0) return malformed("no RAND");
    const std::size_t count = rands->size() / kRandSize;
    if (count < kFewestTriplets || count > kTriplets)
      return client_error(ClientError::few_challenges, Failure::server_not_trusted,
                          "too few RANDs, or too many");
    SecretBytes kcs(kKcSize * count);
    Bytes sres;
    for (std::size_t i = 0; i < count; ++i) {
      const ByteView rand = rands->subspan(i * kRandSize, kRandSize);
      for (std::size_t j = 0; j < i; ++j)
        if (equal(rand, rands->subspan(j * kRandSize, kRandSize)))
          return client_error(ClientError::stale, Failure::server_not_trusted, "a RAND twice");
      const auto answer = peer_.card.gsm(rand);
      if (!answer || answer->kc.size() != kKcSize || answer->sres.size() != kSresSize)
        return client_error(ClientError::unable, Failure::no_credential,
                            "the SIM has no answer to a RAND");
      std::ranges::copy(answer->kc, kcs.mutable_view().subspan(i * kKcSize).begin());
      append(sres, answer->sres);
    }
    auto keys = sim_keys(peer_.provider, identity_, kcs.view(), nonce_, versions_, kVersion);
    if (!keys) return no_crypto();
    if (!mac_fits(peer_.provider, keys->mac, keys->aut.view(), packet, message, {nonce_}))
      return client_error(ClientError::unable, Failure::server_not_trusted, "wrong AT_MAC");
    keys_ = std::move(*keys);
    return content(Composer(Subtype::challenge), packet, {sres});
  }

  std::array<std::uint8_t, kNonceSize> nonce_{};
  Bytes versions_;
};

}  // namespace

std::unique_ptr<Method> make_sim_server(const SimServer& server, const std::string& identity) {
  return std::make_unique<SimMethodServer>(server, identity);
}
std::unique_ptr<Method> make_sim_peer(const SimPeer& peer, const std::string& identity) {
  return std::make_unique<SimMethodPeer>(peer, identity);
}

}  // namespace culvert::eap::sim
