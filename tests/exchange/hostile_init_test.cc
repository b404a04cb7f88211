// IKE_SA_INIT with one rule broken, from either role.
#include <gtest/gtest.h>

#include "base/limits.h"
#include "tests/exchange/hostile_table.h"

namespace culvert::exchange_test {
namespace {

using wire::NotifyType;
using wire::PayloadType;

constexpr const char* kDropped = "message_dropped";

wire::Proposal& proposal(Draft& draft) {
  return draft.body<wire::Sa>(PayloadType::sa).proposals.front();
}
wire::Transform& transform(Draft& draft, std::size_t index) {
  return proposal(draft).transforms.at(index);
}
Mutation header(std::function<void(wire::Header&)> change) {
  return [change = std::move(change)](Draft& draft) { change(draft.header); };
}
Mutation nonce(std::size_t size) { return with_body(PayloadType::nonce, Bytes(size, 0x6e)); }
wire::KeyExchangePayload& key(Draft& draft) {
  return draft.body<wire::KeyExchangePayload>(PayloadType::ke);
}
Mutation strange_payload(bool critical) {
  return [critical](Draft& draft) {
    draft.add(PayloadType{222}, wire::Unknown{{1, 2, 3}});
    draft.payloads.back().critical = critical;
  };
}
Mutation proposal_change(std::function<void(wire::Proposal&)> change) {
  return [change = std::move(change)](Draft& draft) { change(proposal(draft)); };
}
Reaction send_all(MutatingPeer& peer, std::initializer_list<Draft> drafts) {
  Reaction last;
  for (const Draft& draft : drafts) last = peer.send(draft);
  return last;
}
std::size_t payload_at(const Bytes& octets, std::size_t index) {
  std::size_t at = wire::kHeaderSize;
  while (index-- > 0) at += load_be<std::uint16_t>(octets.data() + at + 2);
  return at;
}

const Row kPayloads[] = {
    {"no SA", "RFC 7296, 1.2", init(without(PayloadType::sa)), kSilence, kDropped, Left::nothing},
    {"no KE", "RFC 7296, 1.2", init(without(PayloadType::ke)), kSilence, kDropped, Left::nothing},
    {"no nonce", "RFC 7296, 1.2", init(without(PayloadType::nonce)), kSilence, kDropped,
     Left::nothing},
    {"two SAs", "RFC 7296, 1.2", init(twice(PayloadType::sa)), kSilence, kDropped, Left::nothing},
    {"two KEs", "RFC 7296, 1.2", init(twice(PayloadType::ke)), kSilence, kDropped, Left::nothing},
    {"two nonces", "RFC 7296, 1.2", init(twice(PayloadType::nonce)), kSilence, kDropped,
     Left::nothing},
    {"nonce of 15 octets", "RFC 7296, 3.9", init(nonce(15)), kSilence, kDropped, Left::nothing},
    {"nonce of 257 octets", "RFC 7296, 3.9", init(nonce(257)), kSilence, kDropped, Left::nothing},
    {"nonce of 16 octets", "RFC 7296, 3.9", init(nonce(16)), kNormal, "", Left::half_open},
    {"nonce of 256 octets", "RFC 7296, 3.9", init(nonce(256)), kNormal, "", Left::half_open},
    {"empty nonce", "RFC 7296, 3.9", init(nonce(0)), kSilence, kDropped, Left::nothing},
    {"empty SA", "RFC 7296, 3.3", init(with_body(PayloadType::sa, {})), kSilence, kDropped,
     Left::nothing},
    {"empty KE", "RFC 7296, 3.4", init(with_body(PayloadType::ke, {})), kSilence, kDropped,
     Left::nothing},
    {"KE without a value", "RFC 6989, 2", init([](Draft& draft) { key(draft).data.clear(); }),
     refusal(NotifyType::invalid_syntax), "bad_public_value", Left::nothing},
    {"KE value cut short", "RFC 6989, 2", init([](Draft& draft) { key(draft).data.pop_back(); }),
     refusal(NotifyType::invalid_syntax), "bad_public_value", Left::nothing},
    {"KE value of zeros", "RFC 8031, 2", init([](Draft& draft) { key(draft).data.assign(32, 0); }),
     refusal(NotifyType::invalid_syntax), "bad_public_value", Left::nothing},
    {"KE of a method that SA does not offer", "RFC 7296, 1.2",
     init([](Draft& draft) { key(draft).method = 19; }), refusal(NotifyType::invalid_ke_payload),
     "other_method_wanted", Left::nothing},
    {"KE of an unknown method", "RFC 7296, 1.2",
     init([](Draft& draft) { key(draft).method = 999; }), refusal(NotifyType::invalid_ke_payload),
     "other_method_wanted", Left::nothing},
    {"unknown payload", "RFC 7296, 2.5", init(strange_payload(false)), kNormal, "",
     Left::half_open},
    {"unknown critical payload", "RFC 7296, 2.5", init(strange_payload(true)),
     refusal(NotifyType::unsupported_critical_payload), kDropped, Left::nothing},
    {"critical bit on a known payload", "RFC 7296, 2.5",
     init([](Draft& draft) { draft.find(PayloadType::nonce)->critical = true; }), kNormal, "",
     Left::half_open},
    {"unknown status notification", "RFC 7296, 3.10.1",
     init([](Draft& draft) { draft.add_notify(NotifyType{40'000}, {1}); }), kNormal, "",
     Left::half_open},
    {"error notification in a request", "RFC 7296, 3.10.1",
     init([](Draft& draft) { draft.add_notify(NotifyType{8'000}); }), kNormal, "", Left::half_open},
    {"COOKIE of 65 octets where none is asked for", "RFC 7296, 2.6",
     init([](Draft& draft) { draft.add_notify(NotifyType::cookie, Bytes(65)); }), kNormal, "",
     Left::half_open},
    {"notification with an ESP SPI of 3 octets", "RFC 7296, 3.10", init([](Draft& draft) {
       draft.add_notify(NotifyType::rekey_sa, {}, wire::ProtocolId::esp, Bytes(3));
     }),
     kSilence, kDropped, Left::nothing},
    {"129 payloads", "RFC 7296, 2.6: bounded state", init([](Draft& draft) {
       for (int i = 0; i < 129; ++i) draft.add_notify(NotifyType{40'000});
     }),
     kSilence, kDropped, Left::nothing},
    {"an SK payload last", "RFC 7296, 3.14", init([](Draft& draft) {
       draft.add(PayloadType::sk, wire::Encrypted{PayloadType::none, Bytes(60)});
     }),
     kNormal, "", Left::half_open},
};

const Row kProposals[] = {
    {"proposals numbered from 2", "RFC 7296, 3.3.1",
     init(proposal_change([](wire::Proposal& one) { one.number = 2; })), kNormal, "",
     Left::half_open},
    {"proposals 1 and 3", "RFC 7296, 3.3.1", init([](Draft& draft) {
       auto& proposals = draft.body<wire::Sa>(PayloadType::sa).proposals;
       proposals.push_back(proposals.front());
       proposals.back().number = 3;
     }),
     kSilence, kDropped, Left::nothing},
    {"65 proposals", "RFC 7296, 3.3.1", init([](Draft& draft) {
       auto& proposals = draft.body<wire::Sa>(PayloadType::sa).proposals;
       for (std::uint8_t number = 2; number <= 65; ++number) {
         proposals.push_back(proposals.front());
         proposals.back().number = number;
       }
     }),
     kSilence, kDropped, Left::nothing},
    {"SPI in the first proposal for an IKE SA", "RFC 7296, 3.3.1",
     init(proposal_change([](wire::Proposal& one) { one.spi = Bytes(8, 1); })), kNormal, "",
     Left::half_open},
    {"SPI of 5 octets", "RFC 7296, 3.3.1",
     init(proposal_change([](wire::Proposal& one) { one.spi = Bytes(5, 1); })), kSilence, kDropped,
     Left::nothing},
    {"ESP offered for an IKE SA", "RFC 7296, 3.3.1",
     init(proposal_change([](wire::Proposal& one) { one.protocol = wire::ProtocolId::esp; })),
     kSilence, kDropped, Left::nothing},
    {"unknown protocol offered", "RFC 7296, 3.3.1",
     init(proposal_change([](wire::Proposal& one) { one.protocol = wire::ProtocolId{77}; })),
     refusal(NotifyType::no_proposal_chosen), "no_common_proposal", Left::nothing},
    {"no transforms", "RFC 7296, 3.3.1",
     init(proposal_change([](wire::Proposal& one) { one.transforms.clear(); })),
     refusal(NotifyType::no_proposal_chosen), "no_common_proposal", Left::nothing},
    {"no PRF", "RFC 7296, 3.3.3", init(proposal_change([](wire::Proposal& one) {
       one.transforms.erase(one.transforms.begin() + 1);
     })),
     refusal(NotifyType::no_proposal_chosen), "no_common_proposal", Left::nothing},
    {"no key exchange", "RFC 7296, 3.3.3",
     init(proposal_change([](wire::Proposal& one) { one.transforms.pop_back(); })),
     refusal(NotifyType::no_proposal_chosen), "no_common_proposal", Left::nothing},
    {"unknown transform type", "RFC 7296, 3.3.6", init(proposal_change([](wire::Proposal& one) {
       one.transforms.push_back({TransformType{99}, 1, 0, {}});
     })),
     refusal(NotifyType::no_proposal_chosen), "no_common_proposal", Left::nothing},
    {"sequence numbers for an IKE SA", "RFC 7296, 3.3.3",
     init(proposal_change(
         [](wire::Proposal& one) { one.transforms.push_back({TransformType::esn, 0, 0, {}}); })),
     refusal(NotifyType::no_proposal_chosen), "no_common_proposal", Left::nothing},
    {"unknown transform attribute", "RFC 7296, 3.3.6",
     init([](Draft& draft) { transform(draft, 0).others.push_back({99, true, 1, {}}); }),
     refusal(NotifyType::no_proposal_chosen), "no_common_proposal", Left::nothing},
    {"key length twice", "RFC 7296, 3.3.5", init([](Draft& draft) {
       transform(draft, 0).others.push_back({wire::kKeyLengthAttribute, true, 256, {}});
     }),
     refusal(NotifyType::no_proposal_chosen), "no_common_proposal", Left::nothing},
    {"no key length with AES", "RFC 7296, 3.3.5",
     init([](Draft& draft) { transform(draft, 0).key_bits = 0; }),
     refusal(NotifyType::no_proposal_chosen), "no_common_proposal", Left::nothing},
    {"key length with a PRF", "RFC 7296, 3.3.5",
     init([](Draft& draft) { transform(draft, 1).key_bits = 128; }),
     refusal(NotifyType::no_proposal_chosen), "no_common_proposal", Left::nothing},
    {"key length of 129 bits", "RFC 7296, 3.3.5",
     init([](Draft& draft) { transform(draft, 0).key_bits = 129; }),
     refusal(NotifyType::no_proposal_chosen), "no_common_proposal", Left::nothing},
};

const Row kHeaders[] = {
    {"message ID 1", "RFC 7296, 2.2", init(header([](wire::Header& one) { one.message_id = 1; })),
     kSilence, kDropped, Left::nothing},
    {"responder's SPI not zero", "RFC 7296, 3.1",
     init(header([](wire::Header& one) { one.spi_r = 5; })), kSilence, kDropped, Left::nothing},
    {"initiator's SPI zero", "RFC 7296, 3.1",
     init(header([](wire::Header& one) { one.spi_i = 0; })), kSilence, kDropped, Left::nothing},
    {"Initiator flag clear", "RFC 7296, 3.1",
     init(header([](wire::Header& one) { one.initiator = false; })), kSilence, kDropped,
     Left::nothing},
    {"Response flag set", "RFC 7296, 3.1",
     init(header([](wire::Header& one) { one.response = true; })), kSilence, kDropped,
     Left::nothing},
    {"Version flag set", "RFC 7296, 2.5",
     init(header([](wire::Header& one) { one.higher_version = true; })), kNormal, "",
     Left::half_open},
    {"minor version 7", "RFC 7296, 2.5", init(header([](wire::Header& one) { one.minor = 7; })),
     kNormal, "", Left::half_open},
    {"major version 3", "RFC 7296, 2.5", init_octets([](Bytes& octets) { octets[17] = 0x30; }),
     refusal(NotifyType::invalid_major_version), kDropped, Left::nothing},
    {"major version 1", "RFC 7296, 2.5", init_octets([](Bytes& octets) { octets[17] = 0x10; }),
     kSilence, kDropped, Left::nothing},
    {"major version 3 in a response", "RFC 7296, 2.21.1", init_octets([](Bytes& octets) {
       octets[17] = 0x30;
       octets[19] = 0x20;
     }),
     kSilence, kDropped, Left::nothing},
    {"reserved flags set", "RFC 7296, 3.1", init_octets([](Bytes& octets) { octets[19] |= 0xc7; }),
     kNormal, "", Left::half_open},
    {"unknown exchange", "RFC 7296, 3.1", init_octets([](Bytes& octets) { octets[18] = 200; }),
     kSilence, kDropped, Left::nothing},
    {"IKE_AUTH without an IKE SA", "RFC 7296, 2.21.4",
     init_octets([](Bytes& octets) { octets[18] = 35; }), kSilence, kDropped, Left::nothing},
    {"INFORMATIONAL without an IKE SA", "RFC 7296, 2.21.4",
     init_octets([](Bytes& octets) { octets[18] = 37; }), kSilence, kDropped, Left::nothing},
    {"length above the datagram", "RFC 7296, 3.1", init_octets([](Bytes& octets) { ++octets[27]; }),
     kSilence, kDropped, Left::nothing},
    {"length below the datagram", "RFC 7296, 3.1",
     init_octets([](Bytes& octets) { octets.push_back(0); }), kSilence, kDropped, Left::nothing},
    {"length above 4 GiB less one", "RFC 7296, 3.1",
     init_octets([](Bytes& octets) { octets[24] = octets[25] = octets[26] = octets[27] = 0xff; }),
     kSilence, kDropped, Left::nothing},
    {"a header and nothing else", "RFC 7296, 3.1", init_octets([](Bytes& octets) {
       octets.resize(28);
       octets[16] = 0;
       octets[26] = 0;
       octets[27] = 28;
     }),
     kSilence, kDropped, Left::nothing},
    {"half a header", "RFC 7296, 3.1", init_octets([](Bytes& octets) { octets.resize(14); }),
     kSilence, kDropped, Left::nothing},
    {"payload length 3", "RFC 7296, 3.2",
     init_octets([](Bytes& octets) { store_be(octets.data() + 30, std::uint16_t{3}); }), kSilence,
     kDropped, Left::nothing},
    {"payload length beyond the message", "RFC 7296, 3.2",
     init_octets([](Bytes& octets) { store_be(octets.data() + 30, std::uint16_t{0xffff}); }),
     kSilence, kDropped, Left::nothing},
    {"last payload longer than the message", "RFC 7296, 3.2",
     init_octets([](Bytes& octets) { ++octets[payload_at(octets, 2) + 3]; }), kSilence, kDropped,
     Left::nothing},
    {"reserved bits of payloads set", "RFC 7296, 3.2",
     init_octets([](Bytes& octets) { octets[29] = 0x7f; }), kNormal, "", Left::half_open},
    {"the SPI of a half-open IKE SA with other content", "RFC 7296, 2.1",
     [](MutatingPeer& peer) {
       Draft other = peer.init_request();
       other.add_notify(NotifyType{40'000});
       return send_all(peer, {peer.init_request(), other});
     },
     kSilence, kDropped, Left::half_open},
    {"the same request again", "RFC 7296, 2.1",
     [](MutatingPeer& peer) {
       const Draft draft = peer.init_request();
       return send_all(peer, {draft, draft});
     },
     kNormal, "", Left::half_open},
    {"the same request for ever", "RFC 7296, 2.1: amplification",
     [](MutatingPeer& peer) {
       const Draft draft = peer.init_request();
       Reaction last;
       for (std::size_t i = 0; i <= limits::kMaxFirstResponses; ++i) last = peer.send(draft);
       return last;
     },
     kSilence, kDropped, Left::half_open},
};

const Row kAnswers[] = {
    {"responder's SPI zero", "RFC 7296, 2.6",
     init_answer(header([](wire::Header& one) { one.spi_r = 0; })), kSilence, "malformed_message",
     Left::half_open},
    {"no nonce", "RFC 7296, 1.2", init_answer(without(PayloadType::nonce)), kSilence,
     "malformed_message", Left::half_open},
    {"no KE", "RFC 7296, 1.2", init_answer(without(PayloadType::ke)), kSilence, "malformed_message",
     Left::half_open},
    {"two SAs", "RFC 7296, 1.2", init_answer(twice(PayloadType::sa)), kSilence, kDropped,
     Left::half_open},
    {"nonce of 15 octets", "RFC 7296, 3.9", init_answer(nonce(15)), kSilence, kDropped,
     Left::half_open},
    {"two proposals", "RFC 7296, 2.7", init_answer([](Draft& draft) {
       auto& proposals = draft.body<wire::Sa>(PayloadType::sa).proposals;
       proposals.push_back(proposals.front());
       proposals.back().number = 2;
     }),
     kSilence, "no_common_proposal", Left::nothing},
    {"two transforms of a type", "RFC 7296, 2.7",
     init_answer(proposal_change([](wire::Proposal& one) {
       one.transforms.push_back(one.transforms.front());
       one.transforms.back().key_bits = 256;
     })),
     kSilence, "no_common_proposal", Left::nothing},
    {"a transform that was not offered", "RFC 7296, 2.7",
     init_answer([](Draft& draft) { transform(draft, 0).key_bits = 256; }), kSilence,
     "no_common_proposal", Left::nothing},
    {"KE of another method than SA's", "RFC 7296, 3.4",
     init_answer([](Draft& draft) { key(draft).method = 19; }), kSilence, "malformed_message",
     Left::nothing},
    {"KE value of zeros", "RFC 8031, 2",
     init_answer([](Draft& draft) { key(draft).data.assign(32, 0); }), kSilence, "bad_public_value",
     Left::nothing},
    {"message ID 1", "RFC 7296, 2.2",
     init_answer(header([](wire::Header& one) { one.message_id = 1; })), kSilence, kDropped,
     Left::half_open},
    {"Initiator flag set", "RFC 7296, 3.1",
     init_answer(header([](wire::Header& one) { one.initiator = true; })), kSilence, kDropped,
     Left::half_open},
    {"Response flag clear", "RFC 7296, 3.1",
     init_answer(header([](wire::Header& one) { one.response = false; })), kSilence, kDropped,
     Left::half_open},
    {"another exchange", "RFC 7296, 2.2", init_answer(header([](wire::Header& one) {
       one.exchange = wire::ExchangeType::informational;
     })),
     kSilence, kDropped, Left::half_open},
    {"COOKIE of 65 octets", "RFC 7296, 2.6", init_answer([](Draft& draft) {
       draft.payloads.clear();
       draft.add_notify(NotifyType::cookie, Bytes(65));
     }),
     kSilence, "malformed_message", Left::half_open},
    {"empty COOKIE", "RFC 7296, 2.6", init_answer([](Draft& draft) {
       draft.payloads.clear();
       draft.add_notify(NotifyType::cookie);
     }),
     kSilence, "malformed_message", Left::half_open},
    {"INVALID_KE_PAYLOAD that wants a method not offered", "RFC 7296, 1.2",
     init_answer([](Draft& draft) {
       draft.payloads.clear();
       draft.add_notify(NotifyType::invalid_ke_payload, {0, 1});
     }),
     kSilence, "peer_refused", Left::nothing},
    {"unknown critical payload", "RFC 7296, 2.5", init_answer(strange_payload(true)), kSilence,
     kDropped, Left::half_open},
};

class HostileInit : public ::testing::TestWithParam<Row> {};
TEST_P(HostileInit, IsAnsweredAsTheRfcWants) { expect(GetParam()); }
INSTANTIATE_TEST_SUITE_P(Payloads, HostileInit, ::testing::ValuesIn(kPayloads));
INSTANTIATE_TEST_SUITE_P(Proposals, HostileInit, ::testing::ValuesIn(kProposals));
INSTANTIATE_TEST_SUITE_P(Headers, HostileInit, ::testing::ValuesIn(kHeaders));
INSTANTIATE_TEST_SUITE_P(Answers, HostileInit, ::testing::ValuesIn(kAnswers));

}  // namespace
}  // namespace culvert::exchange_test
