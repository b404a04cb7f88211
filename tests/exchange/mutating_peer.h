// A peer that speaks IKEv2 by itself, on the codec and the cryptography alone, so that it can break
// one rule at a time. It faces a shard that also keeps a tunnel with an honest gateway.
#pragma once

#include <functional>
#include <optional>

#include "tests/exchange/pair.h"
#include "wire/v2/protected.h"

namespace culvert::exchange_test {

using Payloads = std::vector<wire::Payload>;

// A message before it becomes octets.
struct Draft {
  wire::Header header;
  Payloads payloads;

  wire::Payload* find(wire::PayloadType type);
  void remove(wire::PayloadType type);
  void add(wire::PayloadType type, wire::PayloadBody body) { payloads.emplace_back(type, body); }
  void add_notify(wire::NotifyType type, Bytes data = {},
                  wire::ProtocolId protocol = wire::ProtocolId::none, Bytes spi = {});
  // Replaces the body of the first payload of the type by any octets.
  void replace(wire::PayloadType type, Bytes body);
  template <class T>
  T& body(wire::PayloadType type) {
    return std::get<T>(find(type)->body);
  }
};
using Mutation = std::function<void(Draft&)>;

// What the victim answered to one message of ours.
struct Reaction {
  std::size_t datagrams = 0;
  std::optional<wire::Header> header;
  Payloads payloads;  // of the last message that could be opened

  bool has(wire::NotifyType type) const { return wire::find_notify(payloads, type) != nullptr; }
};

class MutatingPeer {
 public:
  MutatingPeer();

  // As initiator: the messages that an honest peer would send at this point.
  Draft init_request();
  Draft auth_request();
  Draft child_request(std::uint32_t spi = 0x2222);
  Draft rekey_child_request();
  Draft rekey_ike_request();
  Draft informational();

  // IKE_SA_INIT done; IKE_AUTH done too.
  void half_open();
  void establish();
  // The victim initiates; we answer its IKE_SA_INIT request, or its IKE_AUTH request.
  Draft init_response();
  Draft auth_response();

  // Clear before IKE_AUTH, protected from then on.
  Bytes encode(const Draft& draft);
  // Any plaintext in an SK payload, or in an SKF payload of that position.
  Bytes seal(const wire::Header& header, wire::PayloadType first, ByteView plaintext,
             std::optional<wire::FragmentPosition> position = {});
  // An SK payload of four octets whose Pad Length says this.
  Bytes seal_padded(const wire::Header& header, std::uint8_t pad_length);
  // The content of the SK payload of a draft.
  static Bytes plaintext_of(const Draft& draft);

  // Delivers and lets the victim answer. What it answered is read with our keys.
  Reaction send(const Draft& draft) { return send(encode(draft)); }
  Reaction send(ByteView datagram);
  Reaction send_from(const Endpoint& source, ByteView datagram);
  // The victim starts; what it sends first.
  Reaction let_victim_initiate();
  // What an established victim sends on its own.
  Reaction let_victim(const std::function<void()>& act);
  // The answer to the draft is taken as an honest peer takes it.
  void accept_init(const Reaction& reaction);

  wire::Header header(wire::ExchangeType exchange, bool response = false) const;
  wire::ProtectionKeys our_keys() const;
  wire::ProtectionKeys their_keys() const;
  Gateway& victim() { return pair.b; }
  Gateway& honest() { return pair.a; }
  Endpoint our_end() const { return {address, 500}; }

  Pair pair;
  std::function<void()> start_victim = [this] {
    pair.b.shard->command(Initiate{{66}, "mutant", "net"}, pair.now);
  };
  std::size_t mark = 0;  // events of the victim before our last message
  IpAddress address = *IpAddress::parse("192.0.2.66");
  std::unique_ptr<Provider> provider;
  bool initiator = true;
  std::uint64_t spi_i = 0x6666666666666666, spi_r = 0;
  std::uint32_t message_id = 0;  // of our next request, or of the request that we answer
  Bytes nonce_i, nonce_r, first_message;
  std::uint32_t child_spi_in = 0x11111111;  // ours
  std::uint32_t child_spi_out = 0;          // the victim's

 private:
  Bytes seal_with(const wire::Header& header, wire::PayloadType first, ByteView plaintext,
                  std::optional<wire::FragmentPosition> position, std::uint8_t pad_length);
  Payloads open(ByteView datagram);
  Reaction reaction_to_last();
  void make_keys(ByteView secret);
  Bytes auth_value(const wire::Identification& id);
  void wire_up();

  std::unique_ptr<KeyExchange> ke_;
  IkeKeys keys_;
  std::uint64_t iv_ = 0;
  std::vector<Bytes> answers_;
};

}  // namespace culvert::exchange_test
