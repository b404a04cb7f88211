#include "tests/exchange/mutating_peer.h"

#include <algorithm>

#include "policy/identity.h"

namespace culvert::exchange_test {
namespace {

using wire::ExchangeType;
using wire::NotifyType;
using wire::PayloadType;

constexpr std::string_view kSecret = "a very long secret";
constexpr std::size_t kIvSize = 8, kIcvSize = 16;
const CipherSpec kCipher{Encr::aes_gcm_16, 128, Integ::none};

Bytes octets_of(std::uint64_t spi) {
  Bytes octets(8);
  store_be(octets.data(), spi);
  return octets;
}
Bytes octets_of(std::uint32_t spi) {
  Bytes octets(4);
  store_be(octets.data(), spi);
  return octets;
}

wire::Sa ike_offer(Bytes spi) {
  wire::Sa sa;
  sa.proposals.push_back(
      {1,
       wire::ProtocolId::ike,
       std::move(spi),
       {{TransformType::encr, static_cast<std::uint16_t>(Encr::aes_gcm_16), 128, {}},
        {TransformType::prf, static_cast<std::uint16_t>(Prf::hmac_sha2_256), 0, {}},
        {TransformType::ke, static_cast<std::uint16_t>(Ke::x25519), 0, {}}}});
  return sa;
}
wire::Sa esp_offer(std::uint32_t spi) {
  wire::Sa sa;
  sa.proposals.push_back(
      {1,
       wire::ProtocolId::esp,
       octets_of(spi),
       {{TransformType::encr, static_cast<std::uint16_t>(Encr::aes_gcm_16), 128, {}},
        {TransformType::esn, 0, 0, {}}}});
  return sa;
}
wire::TrafficSelectors selectors(const char* first, const char* last) {
  wire::Selector one;
  one.first = *IpAddress::parse(first);
  one.last = *IpAddress::parse(last);
  return {{one}};
}

// What the victim has for us: children between 10.6.0.0/16 (ours) and 10.2.0.0/16.
ConnectionConfig victims_connection() {
  ConnectionConfig connection = site(false);
  connection.name = "mutant";
  connection.remote_addrs = {*parse_address_pattern("192.0.2.66")};
  connection.children[0].remote = {*parse_selector("10.6.0.0/16")};
  return connection;
}

}  // namespace

wire::Payload* Draft::find(PayloadType type) {
  const auto at = std::ranges::find(payloads, type, &wire::Payload::type);
  return at == payloads.end() ? nullptr : &*at;
}
void Draft::remove(PayloadType type) {
  std::erase_if(payloads, [&](const wire::Payload& one) { return one.type == type; });
}
void Draft::add_notify(NotifyType type, Bytes data, wire::ProtocolId protocol, Bytes spi) {
  add(PayloadType::notify, wire::Notify{protocol, std::move(spi), type, std::move(data)});
}
void Draft::replace(PayloadType type, Bytes body) {
  find(type)->body = wire::Unknown{std::move(body)};
}

MutatingPeer::MutatingPeer() : provider(make_openssl_provider()) {
  load_site(pair);
  pair.b.load(victims_connection(), pair.now);
  initiate(pair);
  wire_up();
}

void MutatingPeer::wire_up() {
  pair.wire = [this](InTransit one) -> std::vector<InTransit> {
    if (one.to.address == pair.a.address || one.to.address == pair.b.address) return {one};
    answers_.push_back(std::move(one.payload));
    return {};
  };
}

wire::Header MutatingPeer::header(ExchangeType exchange, bool response) const {
  wire::Header header;
  header.spi_i = spi_i;
  header.spi_r = spi_r;
  header.exchange = exchange;
  header.initiator = initiator;
  header.response = response;
  header.message_id = message_id;
  return header;
}

Draft MutatingPeer::init_request() {
  ke_ = *provider->generate(Ke::x25519);
  nonce_i.assign(32, 0x6e);
  Draft draft{header(ExchangeType::ike_sa_init), {}};
  draft.header.message_id = 0;
  draft.add(PayloadType::sa, ike_offer({}));
  draft.add(PayloadType::ke, wire::KeyExchangePayload{static_cast<std::uint16_t>(Ke::x25519),
                                                      to_bytes(ke_->public_value())});
  draft.add(PayloadType::nonce, wire::Nonce{nonce_i});
  draft.add_notify(NotifyType::fragmentation_supported);
  return draft;
}

Bytes MutatingPeer::auth_value(const wire::Identification& id) {
  Bytes value(32);
  const Bytes body = id.body();
  const ByteView sk_p = initiator ? keys_.sk_pi.view() : keys_.sk_pr.view();
  EXPECT_TRUE(psk_auth(*provider, Prf::hmac_sha2_256, as_bytes(kSecret), first_message,
                       initiator ? nonce_r : nonce_i, sk_p, body, value));
  return value;
}

Draft MutatingPeer::auth_request() {
  Draft draft{header(ExchangeType::ike_auth), {}};
  const wire::Identification id = to_wire(identity_of(address));
  draft.add(PayloadType::id_i, id);
  draft.add(PayloadType::auth, wire::Auth{wire::AuthMethod::shared_key, auth_value(id)});
  draft.add(PayloadType::sa, esp_offer(child_spi_in));
  draft.add(PayloadType::ts_i, selectors("10.6.0.0", "10.6.255.255"));
  draft.add(PayloadType::ts_r, selectors("10.2.0.0", "10.2.255.255"));
  return draft;
}

Draft MutatingPeer::child_request(std::uint32_t spi) {
  Draft draft{header(ExchangeType::create_child_sa), {}};
  draft.add(PayloadType::sa, esp_offer(spi));
  draft.add(PayloadType::nonce, wire::Nonce{Bytes(32, 0x33)});
  draft.add(PayloadType::ts_i, selectors("10.6.0.0", "10.6.255.255"));
  draft.add(PayloadType::ts_r, selectors("10.2.0.0", "10.2.255.255"));
  return draft;
}

Draft MutatingPeer::rekey_child_request() {
  Draft draft = child_request();
  draft.add_notify(NotifyType::rekey_sa, {}, wire::ProtocolId::esp, octets_of(child_spi_in));
  return draft;
}

Draft MutatingPeer::rekey_ike_request() {
  ke_ = *provider->generate(Ke::x25519);
  Draft draft{header(ExchangeType::create_child_sa), {}};
  draft.add(PayloadType::sa, ike_offer(octets_of(std::uint64_t{0x7777777777777777})));
  draft.add(PayloadType::nonce, wire::Nonce{Bytes(32, 0x44)});
  draft.add(PayloadType::ke, wire::KeyExchangePayload{static_cast<std::uint16_t>(Ke::x25519),
                                                      to_bytes(ke_->public_value())});
  return draft;
}

Draft MutatingPeer::informational() { return {header(ExchangeType::informational), {}}; }

void MutatingPeer::make_keys(ByteView secret) {
  auto keys = derive_ike_keys(
      *provider, {Prf::hmac_sha2_256, kCipher, nonce_i, nonce_r, secret, spi_i, spi_r});
  ASSERT_TRUE(keys);
  keys_ = std::move(*keys);
}

void MutatingPeer::accept_init(const Reaction& reaction) {
  ASSERT_TRUE(reaction.header);
  const auto* ke = wire::find<wire::KeyExchangePayload>(reaction.payloads, PayloadType::ke);
  const auto* nonce = wire::find<wire::Nonce>(reaction.payloads, PayloadType::nonce);
  ASSERT_TRUE(ke && nonce);
  spi_r = reaction.header->spi_r;
  nonce_r = nonce->data;
  auto secret = ke_->derive(ke->data);
  ASSERT_TRUE(secret);
  make_keys(secret->view());
  message_id = 1;
}

void MutatingPeer::half_open() {
  const Draft draft = init_request();
  first_message = encode(draft);
  accept_init(send(first_message));
}

void MutatingPeer::establish() {
  half_open();
  const Reaction reaction = send(auth_request());
  const auto* sa = wire::find<wire::Sa>(reaction.payloads, PayloadType::sa);
  ASSERT_TRUE(sa) << reaction.payloads.size();
  child_spi_out = load_be<std::uint32_t>(sa->proposals.front().spi.data());
  message_id = 2;
}

Reaction MutatingPeer::let_victim_initiate() {
  initiator = false;
  answers_.clear();
  start_victim();
  pair.run();
  Reaction reaction;
  reaction.datagrams = answers_.size();
  auto message = wire::decode_message(answers_.back());
  EXPECT_TRUE(message);
  reaction.header = message->header;
  reaction.payloads = std::move(message->payloads);
  spi_i = reaction.header->spi_i;
  spi_r = 0x8888888888888888;
  nonce_i = wire::find<wire::Nonce>(reaction.payloads, PayloadType::nonce)->data;
  return reaction;
}

Reaction MutatingPeer::let_victim(const std::function<void()>& act) {
  answers_.clear();
  act();
  pair.run();
  return reaction_to_last();
}

Draft MutatingPeer::init_response() {
  const Reaction request = let_victim_initiate();
  ke_ = *provider->generate(Ke::x25519);
  nonce_r.assign(32, 0x72);
  message_id = 0;
  Draft draft{header(ExchangeType::ike_sa_init, true), {}};
  draft.add(PayloadType::sa, ike_offer({}));
  draft.add(PayloadType::ke, wire::KeyExchangePayload{static_cast<std::uint16_t>(Ke::x25519),
                                                      to_bytes(ke_->public_value())});
  draft.add(PayloadType::nonce, wire::Nonce{nonce_r});
  auto secret =
      ke_->derive(wire::find<wire::KeyExchangePayload>(request.payloads, PayloadType::ke)->data);
  make_keys(secret->view());
  return draft;
}

Draft MutatingPeer::auth_response() {
  const Draft first = init_response();
  first_message = encode(first);
  const Reaction request = send(first_message);
  message_id = 1;
  const auto* offer = wire::find<wire::Sa>(request.payloads, PayloadType::sa);
  EXPECT_TRUE(offer);
  if (offer) child_spi_out = load_be<std::uint32_t>(offer->proposals.front().spi.data());
  Draft draft{header(ExchangeType::ike_auth, true), {}};
  const wire::Identification id = to_wire(identity_of(address));
  draft.add(PayloadType::id_r, id);
  draft.add(PayloadType::auth, wire::Auth{wire::AuthMethod::shared_key, auth_value(id)});
  draft.add(PayloadType::sa, esp_offer(child_spi_in));
  draft.add(PayloadType::ts_i, selectors("10.2.0.0", "10.2.255.255"));
  draft.add(PayloadType::ts_r, selectors("10.6.0.0", "10.6.255.255"));
  return draft;
}

wire::ProtectionKeys MutatingPeer::our_keys() const {
  return {kCipher, initiator ? keys_.sk_ei.view() : keys_.sk_er.view(), {}};
}
wire::ProtectionKeys MutatingPeer::their_keys() const {
  return {kCipher, initiator ? keys_.sk_er.view() : keys_.sk_ei.view(), {}};
}

Bytes MutatingPeer::plaintext_of(const Draft& draft) {
  Bytes plaintext;
  Writer writer(plaintext);
  wire::encode_payloads(draft.payloads, writer);
  return plaintext;
}

Bytes MutatingPeer::encode(const Draft& draft) {
  if (draft.header.exchange == ExchangeType::ike_sa_init)
    return wire::encode_message(draft.header, draft.payloads);
  return seal(draft.header, wire::first_type(draft.payloads), plaintext_of(draft));
}

Bytes MutatingPeer::seal(const wire::Header& header, PayloadType first, ByteView plaintext,
                         std::optional<wire::FragmentPosition> position) {
  return seal_with(header, first, plaintext, position, 0);
}

Bytes MutatingPeer::seal_padded(const wire::Header& header, std::uint8_t pad_length) {
  return seal_with(header, PayloadType::none, Bytes(3), {}, pad_length);
}

Bytes MutatingPeer::seal_with(const wire::Header& header, PayloadType first, ByteView plaintext,
                              std::optional<wire::FragmentPosition> position,
                              std::uint8_t pad_length) {
  Bytes out;
  Writer writer(out);
  wire::Header outer = header;
  const std::size_t payload =
      wire::kGenericHeaderSize + (position ? 4 : 0) + kIvSize + plaintext.size() + 1 + kIcvSize;
  outer.next_payload = position ? PayloadType::skf : PayloadType::sk;
  outer.length = static_cast<std::uint32_t>(wire::kHeaderSize + payload);
  wire::encode_header(outer, writer);
  writer.u8(static_cast<std::uint8_t>(first));
  writer.u8(0);
  writer.u16(static_cast<std::uint16_t>(payload));
  if (position) position->encode(writer);
  const std::size_t aad = writer.size();
  writer.u64(++iv_);
  writer.bytes(plaintext);
  writer.u8(pad_length);
  writer.zeros(kIcvSize);
  const MutableBytes whole(out);
  const Provider::Operands operands{
      our_keys().encryption, {}, whole.subspan(aad, kIvSize), whole.first(aad)};
  EXPECT_TRUE(provider->seal(kCipher, operands, whole.subspan(aad + kIvSize, plaintext.size() + 1),
                             whole.last(kIcvSize)));
  return out;
}

Payloads MutatingPeer::open(ByteView datagram) {
  const auto header = wire::decode_header(datagram);
  EXPECT_TRUE(header);
  if (!header) return {};
  if (header->next_payload == PayloadType::sk) {
    auto payloads = wire::open_message(*provider, their_keys(), datagram);
    return payloads ? *payloads : Payloads{};
  }
  auto message = wire::decode_message(datagram);
  return message ? message->payloads : Payloads{};
}

Reaction MutatingPeer::send(ByteView datagram) { return send_from(our_end(), datagram); }

Reaction MutatingPeer::send_from(const Endpoint& source, ByteView datagram) {
  answers_.clear();
  mark = victim().events.size();
  victim().shard->receive({{victim().address, 500}, source, datagram}, pair.now);
  pair.run();
  return reaction_to_last();
}

Reaction MutatingPeer::reaction_to_last() {
  Reaction reaction;
  reaction.datagrams = answers_.size();
  for (const Bytes& answer : answers_) {
    const auto header = wire::decode_header(answer);
    if (!header) continue;
    reaction.header = *header;
    reaction.payloads = open(answer);
  }
  return reaction;
}

}  // namespace culvert::exchange_test
