// links: eap
// A conversation with a hostile other side, method by method: it never gets in, and it ends. The
// first octet chooses the method and our side, each further packet is a length and as much of
// type-data; the headers are right, except where the length's highest bit asks for raw octets.
#include <algorithm>
#include <cstdlib>

#include "crypto/openssl_provider.h"
#include "eap/password_methods.h"
#include "eap/peer.h"
#include "eap/server.h"

namespace culvert::eap {
namespace {

constexpr Type kTypes[] = {kMd5, kGtc, kMschapv2};
constexpr std::chrono::sys_seconds kNow{std::chrono::seconds(1'700'000'000)};

void check(bool good) {
  if (!good) std::abort();
}

// Nobody guesses these.
Password unknown_password(Provider& provider) {
  SecretBytes octets(16);
  provider.random(octets.mutable_view());
  return ClearPassword{std::move(octets)};
}

// Takes packets out of the input; false at its end.
bool next_packet(ByteView& input, Packet head, Bytes& packet) {
  if (input.empty()) return false;
  const bool raw = (input[0] & 0x80) != 0;
  const std::size_t size = std::min<std::size_t>(input[0] & 0x7f, input.size() - 1);
  const ByteView octets = input.subspan(1, size);
  packet = raw ? to_bytes(octets) : encode(head, octets);
  input = input.subspan(1 + size);
  return true;
}

void attack_server(Provider& provider, Type type, ByteView input) {
  UserStore users;
  users.add({"alice", unknown_password(provider), true, std::nullopt, {}});
  Server::Options options;
  options.offers.push_back(*offer_password_server(type, {provider, users, kNow}));
  options.identity = "alice";
  Server server(provider, std::move(options));
  Step step = server.begin();
  Bytes packet;
  while (next_packet(input, {Code::response, step.packet[1], false, type, {}, {}}, packet)) {
    step = server.receive(packet);
    check(step.kind != Step::Kind::succeeded);
    check(!step.packet.empty());
    if (step.kind == Step::Kind::failed) check(!to_text(step.refusal.value()).empty());
  }
}

void attack_peer(Provider& provider, Type type, ByteView input) {
  const Password password = unknown_password(provider);
  Peer::Options options;
  options.offers.push_back(*offer_password_peer(type, provider, "alice", password));
  options.identity = "alice";
  Peer peer(std::move(options));
  Bytes packet;
  std::uint8_t identifier = 0;
  while (next_packet(input, {Code::request, identifier++, false, type, {}, {}}, packet)) {
    const Step step = peer.receive(packet);
    if (step.kind == Step::Kind::succeeded) check(!properties_of(type).makes_msk);
    if (step.kind == Step::Kind::failed) check(!to_text(step.refusal.value()).empty());
  }
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
