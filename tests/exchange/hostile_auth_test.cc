// IKE_AUTH with one rule broken, from either role; and fragments of it.
#include <gtest/gtest.h>

#include "base/limits.h"
#include "tests/exchange/hostile_table.h"

namespace culvert::exchange_test {
namespace {

using wire::ExchangeType;
using wire::NotifyType;
using wire::PayloadType;

constexpr const char* kDropped = "message_dropped";
constexpr const char* kMalformed = "malformed_message";

Mutation header(std::function<void(wire::Header&)> change) {
  return [change = std::move(change)](Draft& draft) { change(draft.header); };
}
Mutation auth_data(std::function<void(wire::Auth&)> change) {
  return [change = std::move(change)](Draft& draft) {
    change(draft.body<wire::Auth>(PayloadType::auth));
  };
}
Mutation identity(wire::IdType type, Bytes data) {
  return [type, data = std::move(data)](Draft& draft) {
    const PayloadType payload =
        draft.find(PayloadType::id_i) ? PayloadType::id_i : PayloadType::id_r;
    draft.find(payload)->body = wire::Unknown{[&] {
      Bytes body{static_cast<std::uint8_t>(type), 0, 0, 0};
      body.insert(body.end(), data.begin(), data.end());
      return body;
    }()};
  };
}
wire::Proposal& proposal(Draft& draft) {
  return draft.body<wire::Sa>(PayloadType::sa).proposals.front();
}
Mutation spi(Bytes octets) {
  return [octets = std::move(octets)](Draft& draft) { proposal(draft).spi = octets; };
}
wire::Selector& selector(Draft& draft, PayloadType type) {
  return draft.body<wire::TrafficSelectors>(type).selectors.front();
}
// One IPv4 selector as it looks on the wire.
Bytes ts_body(std::uint8_t count, std::uint8_t type, std::uint16_t length,
              std::initializer_list<std::uint8_t> rest) {
  Bytes body{count, 0, 0, 0, type, 0};
  Writer writer(body);
  writer.u16(length);
  for (const std::uint8_t octet : rest) writer.u8(octet);
  return body;
}
Reaction proof_after(MutatingPeer& peer, const std::function<void()>& before) {
  peer.half_open();
  const Bytes good = peer.encode(peer.auth_request());
  before();
  return peer.send(good);
}

const Row kPayloads[] = {
    {"no IDi", "RFC 7296, 1.2", auth(without(PayloadType::id_i)),
     refusal(NotifyType::invalid_syntax), kMalformed, Left::nothing},
    {"two IDi", "RFC 7296, 1.2", auth(twice(PayloadType::id_i)),
     refusal(NotifyType::invalid_syntax), kMalformed, Left::nothing},
    {"two AUTH", "RFC 7296, 1.2", auth(twice(PayloadType::auth)),
     refusal(NotifyType::invalid_syntax), kMalformed, Left::nothing},
    {"two SA", "RFC 7296, 1.2", auth(twice(PayloadType::sa)), refusal(NotifyType::invalid_syntax),
     kMalformed, Left::nothing},
    {"two TSi", "RFC 7296, 1.2", auth(twice(PayloadType::ts_i)),
     refusal(NotifyType::invalid_syntax), kMalformed, Left::nothing},
    {"an empty SK", "RFC 7296, 1.2", auth([](Draft& draft) { draft.payloads.clear(); }),
     refusal(NotifyType::invalid_syntax), kMalformed, Left::nothing},
    {"no AUTH, which asks for EAP", "RFC 7296, 2.16", auth(without(PayloadType::auth)),
     refusal(NotifyType::authentication_failed), "wrong_auth_method", Left::nothing},
    {"AUTH one octet short", "RFC 7296, 2.15",
     auth(auth_data([](wire::Auth& one) { one.data.pop_back(); })),
     refusal(NotifyType::authentication_failed), "wrong_secret", Left::nothing},
    {"AUTH one octet long", "RFC 7296, 2.15",
     auth(auth_data([](wire::Auth& one) { one.data.push_back(0); })),
     refusal(NotifyType::authentication_failed), "wrong_secret", Left::nothing},
    {"AUTH without data", "RFC 7296, 2.15",
     auth(auth_data([](wire::Auth& one) { one.data.clear(); })),
     refusal(NotifyType::authentication_failed), "wrong_secret", Left::nothing},
    {"AUTH with a wrong bit", "RFC 7296, 2.15",
     auth(auth_data([](wire::Auth& one) { one.data[7] ^= 4; })),
     refusal(NotifyType::authentication_failed), "wrong_secret", Left::nothing},
    {"AUTH without a method", "RFC 7296, 3.8", auth(with_body(PayloadType::auth, {})),
     refusal(NotifyType::invalid_syntax), kMalformed, Left::nothing},
    {"AUTH of an unknown method", "RFC 7296, 3.8",
     auth(auth_data([](wire::Auth& one) { one.method = wire::AuthMethod{200}; })),
     refusal(NotifyType::authentication_failed), "wrong_auth_method", Left::nothing},
    {"AUTH by a signature that nobody asked for", "RFC 7296, 3.8",
     auth(auth_data([](wire::Auth& one) { one.method = wire::AuthMethod::rsa_signature; })),
     refusal(NotifyType::authentication_failed), "wrong_auth_method", Left::nothing},
    {"AUTH by nothing", "RFC 7619, 2.1",
     auth(auth_data([](wire::Auth& one) { one.method = wire::AuthMethod::null; })),
     refusal(NotifyType::authentication_failed), "wrong_auth_method", Left::nothing},
    {"the identity of somebody else", "RFC 7296, 2.15",
     auth(identity(wire::IdType::ipv4_addr, {192, 0, 2, 1})),
     refusal(NotifyType::authentication_failed), "wrong_secret", Left::nothing},
    {"an empty identity", "RFC 7296, 3.5", auth(identity(wire::IdType::fqdn, {})),
     refusal(NotifyType::authentication_failed), "wrong_secret", Left::nothing},
    {"an identity of an unknown type", "RFC 7296, 3.5", auth(identity(wire::IdType{99}, {1, 2})),
     refusal(NotifyType::authentication_failed), "wrong_secret", Left::nothing},
    {"an IPv4 identity of 3 octets", "RFC 7296, 3.5",
     auth(identity(wire::IdType::ipv4_addr, {1, 2, 3})), refusal(NotifyType::invalid_syntax),
     kMalformed, Left::nothing},
    {"an identity of 2049 octets", "RFC 7296, 3.5: bounded state",
     auth(identity(wire::IdType::key_id, Bytes(2'049, 1))), refusal(NotifyType::invalid_syntax),
     kMalformed, Left::nothing},
    {"unknown critical payload", "RFC 7296, 2.5", auth([](Draft& draft) {
       draft.add(PayloadType{222}, wire::Unknown{{1}});
       draft.payloads.back().critical = true;
     }),
     refusal(NotifyType::unsupported_critical_payload), kMalformed, Left::nothing},
    {"unknown payload", "RFC 7296, 2.5",
     auth([](Draft& draft) { draft.add(PayloadType{222}, wire::Unknown{{1}}); }), kNormal, "",
     Left::tunnel},
    {"129 payloads", "RFC 7296, 2.6: bounded state", auth([](Draft& draft) {
       for (int i = 0; i < 129; ++i) draft.add_notify(NotifyType{40'000});
     }),
     refusal(NotifyType::invalid_syntax), kMalformed, Left::nothing},
    {"an SK payload inside", "RFC 7296, 3.14", auth([](Draft& draft) {
       draft.add(PayloadType::sk, wire::Encrypted{PayloadType::none, Bytes(60)});
     }),
     refusal(NotifyType::invalid_syntax), kMalformed, Left::nothing},
};

const Row kChildren[] = {
    {"SA without TSi", "RFC 7296, 1.2", auth(without(PayloadType::ts_i)),
     refusal(NotifyType::invalid_syntax), kMalformed, Left::nothing},
    {"SA without TSr", "RFC 7296, 1.2", auth(without(PayloadType::ts_r)),
     refusal(NotifyType::invalid_syntax), kMalformed, Left::nothing},
    {"TSi without selectors", "RFC 7296, 3.13", auth(with_body(PayloadType::ts_i, {0, 0, 0, 0})),
     refusal(NotifyType::invalid_syntax), kMalformed, Left::nothing},
    {"a selector whose start lies after its end", "RFC 7296, 3.13.1",
     auth(with_body(PayloadType::ts_i,
                    ts_body(1, 7, 16, {0, 0, 255, 255, 10, 6, 0, 9, 10, 6, 0, 1}))),
     refusal(NotifyType::invalid_syntax), kMalformed, Left::nothing},
    {"ports whose start lies after their end", "RFC 7296, 3.13.1",
     auth(with_body(PayloadType::ts_i,
                    ts_body(1, 7, 16, {0, 9, 0, 8, 10, 6, 0, 0, 10, 6, 255, 255}))),
     refusal(NotifyType::invalid_syntax), kMalformed, Left::nothing},
    {"an IPv4 selector of 12 octets", "RFC 7296, 3.13.1",
     auth(with_body(PayloadType::ts_i, ts_body(1, 7, 12, {0, 0, 255, 255, 10, 6, 0, 0}))),
     refusal(NotifyType::invalid_syntax), kMalformed, Left::nothing},
    {"a selector of length 0", "RFC 7296, 3.13.1",
     auth(with_body(PayloadType::ts_i, ts_body(1, 7, 0, {0, 0, 255, 255, 10, 6, 0, 0}))),
     refusal(NotifyType::invalid_syntax), kMalformed, Left::nothing},
    {"more selectors announced than sent", "RFC 7296, 3.13",
     auth(with_body(PayloadType::ts_i,
                    ts_body(2, 7, 16, {0, 0, 255, 255, 10, 6, 0, 0, 10, 6, 255, 255}))),
     refusal(NotifyType::invalid_syntax), kMalformed, Left::nothing},
    {"only a selector of an unknown type", "RFC 7296, 3.13.1",
     auth(with_body(PayloadType::ts_i, ts_body(1, 99, 8, {1, 2, 3, 4}))),
     refusal(NotifyType::ts_unacceptable), "selectors_unacceptable", Left::ike_sa},
    {"a selector of an unknown type beside ours", "RFC 7296, 3.13.1", auth([](Draft& draft) {
       auto& selectors = draft.body<wire::TrafficSelectors>(PayloadType::ts_i).selectors;
       selectors.push_back({.type = wire::TsType{99}, .unknown = {1, 2, 3, 4}});
     }),
     kNormal, "", Left::tunnel},
    {"selectors of somebody else", "RFC 7296, 2.9", auth([](Draft& draft) {
       selector(draft, PayloadType::ts_i).first = *IpAddress::parse("10.1.0.0");
       selector(draft, PayloadType::ts_i).last = *IpAddress::parse("10.1.255.255");
     }),
     refusal(NotifyType::ts_unacceptable), "selectors_unacceptable", Left::ike_sa},
    {"an IKE proposal for a CHILD SA", "RFC 7296, 3.3.1", auth([](Draft& draft) {
       proposal(draft).protocol = wire::ProtocolId::ike;
       proposal(draft).spi = Bytes(8, 9);
     }),
     refusal(NotifyType::no_proposal_chosen), "no_common_proposal", Left::ike_sa},
    {"an AH proposal where ESP is configured", "RFC 7296, 3.3.1",
     auth([](Draft& draft) { proposal(draft).protocol = wire::ProtocolId::ah; }),
     refusal(NotifyType::no_proposal_chosen), "no_common_proposal", Left::ike_sa},
    {"an SPI of 3 octets", "RFC 7296, 3.3.1", auth(spi(Bytes(3, 1))),
     refusal(NotifyType::invalid_syntax), kMalformed, Left::nothing},
    {"no SPI", "RFC 7296, 3.3.1", auth(spi({})), refusal(NotifyType::invalid_syntax), kMalformed,
     Left::nothing},
    {"SPI zero", "RFC 4303, 2.1", auth(spi(Bytes(4, 0))), refusal(NotifyType::invalid_syntax),
     kMalformed, Left::nothing},
    {"a reserved SPI", "RFC 4303, 2.1", auth(spi({0, 0, 0, 255})),
     refusal(NotifyType::invalid_syntax), kMalformed, Left::nothing},
    {"no sequence numbers transform", "RFC 7296, 3.3.3",
     auth([](Draft& draft) { proposal(draft).transforms.pop_back(); }), kNormal, "", Left::tunnel},
    {"encryption that is not configured", "RFC 7296, 2.7",
     auth([](Draft& draft) { proposal(draft).transforms.front().key_bits = 256; }),
     refusal(NotifyType::no_proposal_chosen), "no_common_proposal", Left::ike_sa},
};

const Row kMessages[] = {
    {"message ID 2", "RFC 7296, 2.2", auth(header([](wire::Header& one) { one.message_id = 2; })),
     kSilence, kDropped, Left::half_open},
    {"message ID 0", "RFC 7296, 2.2", auth(header([](wire::Header& one) { one.message_id = 0; })),
     kSilence, kDropped, Left::half_open},
    {"Response flag set", "RFC 7296, 3.1",
     auth(header([](wire::Header& one) { one.response = true; })), kSilence, kDropped,
     Left::half_open},
    {"Initiator flag clear", "RFC 7296, 3.1",
     auth(header([](wire::Header& one) { one.initiator = false; })), kSilence, kDropped,
     Left::half_open},
    {"responder's SPI of nobody", "RFC 7296, 2.21.4",
     auth(header([](wire::Header& one) { ++one.spi_r; })), kSilence, kDropped, Left::half_open},
    {"initiator's SPI of another", "RFC 7296, 3.1",
     auth(header([](wire::Header& one) { ++one.spi_i; })), kSilence, kDropped, Left::half_open},
    {"responder's SPI zero", "RFC 7296, 3.1",
     auth(header([](wire::Header& one) { one.spi_r = 0; })), kSilence, kDropped, Left::half_open},
    {"CREATE_CHILD_SA before IKE_AUTH", "RFC 7296, 1.2",
     auth(header([](wire::Header& one) { one.exchange = ExchangeType::create_child_sa; })),
     refusal(NotifyType::invalid_syntax), kMalformed, Left::nothing},
    {"INFORMATIONAL before IKE_AUTH", "RFC 7296, 1.4",
     auth(header([](wire::Header& one) { one.exchange = ExchangeType::informational; })),
     refusal(NotifyType::invalid_syntax), kMalformed, Left::nothing},
    {"an unknown exchange", "RFC 7296, 3.1",
     auth(header([](wire::Header& one) { one.exchange = ExchangeType{200}; })),
     refusal(NotifyType::invalid_syntax), kMalformed, Left::nothing},
    {"a wrong tag", "RFC 7296, 3.14", auth_octets([](Bytes& octets) { octets.back() ^= 1; }),
     kSilence, kDropped, Left::half_open},
    {"a changed header", "RFC 7296, 3.14", auth_octets([](Bytes& octets) { octets[17] = 0x21; }),
     kSilence, kDropped, Left::half_open},
    {"an SK payload too short for its tag", "RFC 7296, 3.14", auth_octets([](Bytes& octets) {
       octets.resize(50);
       octets[26] = 0;
       octets[27] = 50;
       octets[30] = 0;
       octets[31] = 22;
     }),
     kSilence, kDropped, Left::half_open},
    {"a payload after SK", "RFC 7296, 3.14", auth_octets([](Bytes& octets) {
       const std::size_t size = octets.size() + 4;
       octets.insert(octets.end(), {0, 0, 0, 4});
       store_be(octets.data() + 24, static_cast<std::uint32_t>(size));
     }),
     kSilence, kDropped, Left::half_open},
    {"IKE_AUTH in clear", "RFC 7296, 1.2",
     [](MutatingPeer& peer) {
       peer.half_open();
       const Draft draft = peer.auth_request();
       return peer.send(wire::encode_message(draft.header, draft.payloads));
     },
     kSilence, kDropped, Left::half_open},
    {"a plaintext whose last payload is cut", "RFC 7296, 3.2",
     [](MutatingPeer& peer) {
       peer.half_open();
       const Draft draft = peer.auth_request();
       Bytes plaintext = MutatingPeer::plaintext_of(draft);
       plaintext.pop_back();
       return peer.send(peer.seal(draft.header, PayloadType::id_i, plaintext));
     },
     refusal(NotifyType::invalid_syntax), kMalformed, Left::nothing},
    {"padding longer than the message", "RFC 7296, 3.14",
     [](MutatingPeer& peer) {
       peer.half_open();
       return peer.send(peer.seal_padded(peer.auth_request().header, 200));
     },
     refusal(NotifyType::invalid_syntax), kMalformed, Left::nothing},
    {"a hundred forgeries before the true request", "RFC 7296, 2.21.4",
     [](MutatingPeer& peer) {
       return proof_after(peer, [&] {
         Bytes forged = peer.encode(peer.auth_request());
         for (std::uint8_t i = 1; i <= 100; ++i) {
           forged.back() = static_cast<std::uint8_t>(forged.back() + i);
           EXPECT_EQ(peer.send(forged).datagrams, 0u);
         }
       });
     },
     kNormal, "", Left::tunnel},
    {"from another port", "RFC 7296, 2.23",
     [](MutatingPeer& peer) {
       peer.half_open();
       return peer.send_from({peer.address, 4'500}, peer.encode(peer.auth_request()));
     },
     kNormal, "", Left::tunnel},
    {"again, after it failed", "RFC 7296, 2.21.2",
     [](MutatingPeer& peer) {
       peer.half_open();
       Draft draft = peer.auth_request();
       draft.body<wire::Auth>(PayloadType::auth).data[0] ^= 1;
       const Bytes wrong = peer.encode(draft);
       peer.send(wrong);
       return peer.send(wrong);
     },
     kSilence, kDropped, Left::nothing},
};

const Row kAnswers[] = {
    {"no IDr", "RFC 7296, 1.2", auth_answer(without(PayloadType::id_r)), kSilence, kMalformed,
     Left::nothing},
    {"no AUTH", "RFC 7296, 1.2", auth_answer(without(PayloadType::auth)), kSilence, kMalformed,
     Left::nothing},
    {"two AUTH", "RFC 7296, 1.2", auth_answer(twice(PayloadType::auth)), kSilence, kMalformed,
     Left::nothing},
    {"AUTH with a wrong bit", "RFC 7296, 2.21.2",
     auth_answer(auth_data([](wire::Auth& one) { one.data[0] ^= 1; })),
     refusal(NotifyType::authentication_failed), "wrong_secret", Left::nothing},
    {"AUTH of another length", "RFC 7296, 2.21.2",
     auth_answer(auth_data([](wire::Auth& one) { one.data.resize(31); })),
     refusal(NotifyType::authentication_failed), "wrong_secret", Left::nothing},
    {"AUTH of another method", "RFC 7296, 2.21.2",
     auth_answer(auth_data([](wire::Auth& one) { one.method = wire::AuthMethod::null; })),
     refusal(NotifyType::authentication_failed), "wrong_auth_method", Left::nothing},
    {"TSr widened", "RFC 7296, 2.9", auth_answer([](Draft& draft) {
       selector(draft, PayloadType::ts_r).last = *IpAddress::parse("10.7.255.255");
     }),
     kUndone, "selectors_unacceptable", Left::ike_sa},
    {"TSi widened", "RFC 7296, 2.9", auth_answer([](Draft& draft) {
       selector(draft, PayloadType::ts_i).first = *IpAddress::parse("0.0.0.0");
     }),
     kUndone, "selectors_unacceptable", Left::ike_sa},
    {"encryption that was not offered", "RFC 7296, 2.7",
     auth_answer([](Draft& draft) { proposal(draft).transforms.front().key_bits = 256; }), kUndone,
     "no_common_proposal", Left::ike_sa},
    {"two proposals", "RFC 7296, 2.7", auth_answer([](Draft& draft) {
       auto& proposals = draft.body<wire::Sa>(PayloadType::sa).proposals;
       proposals.push_back(proposals.front());
       proposals.back().number = 2;
     }),
     kUndone, "no_common_proposal", Left::ike_sa},
    {"SPI zero", "RFC 4303, 2.1", auth_answer(spi(Bytes(4, 0))), kUndone, kMalformed, Left::ike_sa},
    {"message ID 2", "RFC 7296, 2.2",
     auth_answer(header([](wire::Header& one) { one.message_id = 2; })), kSilence, kDropped,
     Left::half_open},
    {"Initiator flag set", "RFC 7296, 3.1",
     auth_answer(header([](wire::Header& one) { one.initiator = true; })), kSilence, kDropped,
     Left::half_open},
    {"an error in clear", "RFC 7296, 2.21.2",
     [](MutatingPeer& peer) {
       Draft draft = peer.auth_response();
       draft.payloads.clear();
       draft.add_notify(NotifyType::authentication_failed);
       return peer.send(wire::encode_message(draft.header, draft.payloads));
     },
     kSilence, kDropped, Left::half_open},
    {"a request while ours is under way", "RFC 7296, 2.2",
     [](MutatingPeer& peer) {
       peer.auth_response();
       peer.message_id = 0;
       return peer.send(peer.informational());
     },
     kSilence, kDropped, Left::half_open},
};

class HostileAuth : public ::testing::TestWithParam<Row> {};
TEST_P(HostileAuth, IsAnsweredAsTheRfcWants) { expect(GetParam()); }
INSTANTIATE_TEST_SUITE_P(Payloads, HostileAuth, ::testing::ValuesIn(kPayloads));
INSTANTIATE_TEST_SUITE_P(Children, HostileAuth, ::testing::ValuesIn(kChildren));
INSTANTIATE_TEST_SUITE_P(Messages, HostileAuth, ::testing::ValuesIn(kMessages));
INSTANTIATE_TEST_SUITE_P(Answers, HostileAuth, ::testing::ValuesIn(kAnswers));

}  // namespace
}  // namespace culvert::exchange_test
