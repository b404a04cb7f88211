// links: radius
// Any octets as a packet from a server or to one: no crash, and nothing is believed that was not
// signed. Then the same octets as the attributes of a signed answer, which are read.
#include <algorithm>
#include <cstdlib>

#include "crypto/openssl_provider.h"
#include "radius/dynamic.h"
#include "radius/eap_relay.h"

namespace {

using namespace culvert;
using namespace culvert::radius;

void require(bool condition) {
  if (!condition) std::abort();
}

constexpr std::string_view kSecret = "testing123";

Server make_server() {
  return {.name = "aaa",
          .endpoint = {IpAddress::v4(0xc0000201), 1812},
          .secret = SecretBytes(as_bytes(kSecret))};
}

void as_answer_of_a_stranger(Provider& provider, ByteView data) {
  std::vector<Server> servers;
  servers.push_back(make_server());
  Client client(provider, std::move(servers));
  client.send({}, TimePoint{});
  client.receive(0, 0, client.server(0).endpoint, data, TimePoint{});
  while (const auto output = client.poll(TimePoint{}))
    require(!std::holds_alternative<Answered>(*output));
}

void as_request_of_a_stranger(Provider& provider, ByteView data) {
  std::vector<DynamicAuthorization::Peer> peers;
  const Endpoint remote{IpAddress::v4(0xc0000201), 4'000};
  peers.push_back({remote.address, SecretBytes(as_bytes(kSecret))});
  DynamicAuthorization server(provider, {}, std::move(peers), {});
  require(std::holds_alternative<DynamicAuthorization::Ignored>(
      server.receive(remote, data, {}, TimePoint{})));
}

void as_signed(Provider& provider, Code code, ByteView attributes) {
  const auto request = sign_request(provider, as_bytes(kSecret),
                                    {.code = Code::coa_request, .message_authenticator = true});
  const auto asked = Packet::decode(request->octets);
  require(asked.has_value());
  const auto octets = sign_response(provider, as_bytes(kSecret), code, *asked, attributes);
  if (!octets) return;
  auto packet = Packet::decode(*octets);
  if (!packet) return;
  const auto distrust = check_response(provider, as_bytes(kSecret), *packet, Code::access_request,
                                       request->authenticator);
  require(distrust && *distrust == Distrust::none);
  EapRelay relay({}, {});
  relay.take(provider, make_server(), {{1}, 0, std::move(*packet), request->authenticator});
}

void as_signed_request(Provider& provider, ByteView attributes) {
  const Endpoint remote{IpAddress::v4(0xc0000201), 4'000};
  std::vector<DynamicAuthorization::Peer> peers;
  peers.push_back({remote.address, SecretBytes(as_bytes(kSecret))});
  DynamicAuthorization server(provider, {}, std::move(peers), {});
  const auto request = sign_request(
      provider, as_bytes(kSecret),
      {.code = Code::coa_request, .attributes = attributes, .message_authenticator = true});
  if (request) server.receive(remote, request->octets, {}, TimePoint{});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto provider = make_openssl_provider();
  const ByteView octets(data, size);
  as_answer_of_a_stranger(*provider, octets);
  as_request_of_a_stranger(*provider, octets);
  for (const Code code : {Code::access_accept, Code::access_challenge, Code::access_reject})
    as_signed(*provider, code, octets);
  as_signed_request(*provider, octets);
  EapRelay relay({}, {});
  (void)relay.request(octets);
  return 0;
}
