// links: eap
// A hostile other side of EAP-SIM, EAP-AKA and EAP-AKA': it never gets in, and it ends. The first
// octet chooses the method and our side, each further packet is a length and as much of type-data.
#include <algorithm>
#include <cstdlib>

#include "crypto/openssl_provider.h"
#include "eap/peer.h"
#include "eap/server.h"
#include "eap/sim_methods.h"

namespace culvert::eap {
namespace {

constexpr Type kTypes[] = {kSim, kAka, kAkaPrime};

void check(bool good) {
  if (!good) std::abort();
}

milenage::Keys unknown_keys(Provider& provider) {
  Bytes octets(milenage::kKeySize);
  provider.random(octets);
  return {InlineSecret<milenage::kKeySize>(octets), InlineSecret<milenage::kKeySize>(octets)};
}

// Takes packets out of the input; false at its end.
bool next_packet(ByteView& input, Packet head, Bytes& packet) {
  if (input.empty()) return false;
  const std::size_t size = std::min<std::size_t>(input[0], input.size() - 1);
  packet = encode(head, input.subspan(1, size));
  input = input.subspan(1 + size);
  return true;
}

void attack_server(Provider& provider, Type type, ByteView input) {
  SubscriberStore store(provider);
  Subscriber subscriber;
  subscriber.identity = "a";
  subscriber.keys = unknown_keys(provider);
  store.add(std::move(subscriber));
  Server::Options options;
  options.offers.push_back(*offer_sim_server(type, {provider, store}));
  options.identity = input.size() % 2 == 0 ? "a" : "?";  // asked for it, or not
  Server server(provider, std::move(options));
  Step step = server.begin();
  Bytes packet;
  while (next_packet(input, {Code::response, step.packet[1], false, type, {}, {}}, packet)) {
    step = server.receive(packet);
    check(step.kind != Step::Kind::succeeded && !step.packet.empty());
  }
}

void attack_peer(Provider& provider, Type type, ByteView input) {
  MilenageCard card(provider, unknown_keys(provider), 0);
  Peer peer({{*offer_sim_peer(type, {provider, card})}, "a"});
  Bytes packet;
  std::uint8_t identifier = 0;
  while (next_packet(input, {Code::request, identifier++, false, type, {}, {}}, packet)) {
    peer.receive(packet);
  }
  const Step step = peer.receive(encode({Code::success, --identifier, false, {}, {}, {}}));
  check(step.kind != Step::Kind::succeeded);
}

}  // namespace
}  // namespace culvert::eap

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace culvert;
  static const auto provider = make_openssl_provider();
  if (size == 0) return 0;
  const eap::Type type = eap::kTypes[(data[0] >> 1) % std::size(eap::kTypes)];
  const ByteView input(data + 1, size - 1);
  if ((data[0] & 1) == 0)
    eap::attack_server(*provider, type, input);
  else
    eap::attack_peer(*provider, type, input);
  return 0;
}
