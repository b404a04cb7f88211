// An authenticated peer that breaks one rule: CREATE_CHILD_SA, INFORMATIONAL, the message window.
#include <gtest/gtest.h>

#include "base/limits.h"
#include "tests/exchange/hostile_table.h"

namespace culvert::exchange_test {
namespace {

using wire::ExchangeType;
using wire::NotifyType;
using wire::PayloadType;
using wire::ProtocolId;

constexpr const char* kDropped = "message_dropped";
constexpr const char* kMalformed = "malformed_message";

Mutation header(std::function<void(wire::Header&)> change) {
  return [change = std::move(change)](Draft& draft) { change(draft.header); };
}
Bytes octets(std::uint32_t spi) {
  Bytes all(4);
  store_be(all.data(), spi);
  return all;
}
wire::Proposal& proposal(Draft& draft) {
  return draft.body<wire::Sa>(PayloadType::sa).proposals.front();
}
std::function<Reaction(MutatingPeer&)> rekey_child(Mutation mutation) {
  return established(&MutatingPeer::rekey_child_request, std::move(mutation));
}
std::function<Reaction(MutatingPeer&)> rekey_ike(Mutation mutation) {
  return established(&MutatingPeer::rekey_ike_request, std::move(mutation));
}
Mutation rekeys(ProtocolId protocol, Bytes spi) {
  return [protocol, spi = std::move(spi)](Draft& draft) {
    auto& notify = draft.body<wire::Notify>(PayloadType::notify);
    notify.protocol = protocol;
    notify.spi = spi;
  };
}
Mutation deletes(ProtocolId protocol, std::uint8_t spi_size, Bytes spis) {
  return [protocol, spi_size, spis = std::move(spis)](Draft& draft) {
    draft.add(PayloadType::delete_, wire::Delete{protocol, spi_size, spis});
  };
}
Mutation raw_delete(Bytes body) {
  return [body = std::move(body)](Draft& draft) {
    draft.add(PayloadType::delete_, wire::Unknown{body});
  };
}
Mutation notifies(NotifyType type, Bytes data = {}) {
  return [type, data = std::move(data)](Draft& draft) { draft.add_notify(type, data); };
}
Mutation both(Mutation first, Mutation second) {
  return [first = std::move(first), second = std::move(second)](Draft& draft) {
    first(draft);
    second(draft);
  };
}
// The SPI that the victim receives on, deleted by the one who sends to it.
Reaction delete_of(MutatingPeer& peer, std::uint32_t spi) {
  Draft draft = peer.informational();
  deletes(ProtocolId::esp, 4, octets(spi))(draft);
  return peer.send(draft);
}
void none(Draft&) {}

const Row kCreateChild[] = {
    {"no SA", "RFC 7296, 1.3", create_child(without(PayloadType::sa)),
     refusal(NotifyType::invalid_syntax), kMalformed, Left::nothing},
    {"no nonce", "RFC 7296, 1.3", create_child(without(PayloadType::nonce)),
     refusal(NotifyType::invalid_syntax), kMalformed, Left::nothing},
    {"two nonces", "RFC 7296, 1.3", create_child(twice(PayloadType::nonce)),
     refusal(NotifyType::invalid_syntax), kMalformed, Left::nothing},
    {"nonce of 15 octets", "RFC 7296, 3.9", create_child(with_body(PayloadType::nonce, Bytes(15))),
     refusal(NotifyType::invalid_syntax), kMalformed, Left::nothing},
    {"nonce of 257 octets", "RFC 7296, 3.9",
     create_child(with_body(PayloadType::nonce, Bytes(257))), refusal(NotifyType::invalid_syntax),
     kMalformed, Left::nothing},
    {"no TSi", "RFC 7296, 1.3.1", create_child(without(PayloadType::ts_i)),
     refusal(NotifyType::invalid_syntax), kMalformed, Left::nothing},
    {"no TSr", "RFC 7296, 1.3.1", create_child(without(PayloadType::ts_r)),
     refusal(NotifyType::invalid_syntax), kMalformed, Left::nothing},
    {"no proposals", "RFC 7296, 3.3", create_child(with_body(PayloadType::sa, {})),
     refusal(NotifyType::invalid_syntax), kMalformed, Left::nothing},
    {"SPI zero", "RFC 4303, 2.1",
     create_child([](Draft& draft) { proposal(draft).spi = Bytes(4, 0); }),
     refusal(NotifyType::invalid_syntax), kMalformed, Left::nothing},
    {"encryption that is not configured", "RFC 7296, 2.7",
     create_child([](Draft& draft) { proposal(draft).transforms.front().key_bits = 256; }),
     refusal(NotifyType::no_proposal_chosen), "no_common_proposal", Left::tunnel},
    {"a key exchange that was not asked for", "RFC 7296, 1.3.1", create_child([](Draft& draft) {
       draft.add(PayloadType::ke, wire::KeyExchangePayload{31, Bytes(32, 9)});
     }),
     kNormal, "", Left::tunnel},
    {"rekeying an SPI of nobody", "RFC 7296, 2.25",
     rekey_child(rekeys(ProtocolId::esp, octets(9'999))), refusal(NotifyType::child_sa_not_found),
     "", Left::tunnel},
    {"rekeying as AH what is ESP", "RFC 7296, 2.25",
     rekey_child(rekeys(ProtocolId::ah, octets(0x11111111))),
     refusal(NotifyType::child_sa_not_found), "", Left::tunnel},
    {"rekeying as IKE what is ESP", "RFC 7296, 1.3.3",
     rekey_child(rekeys(ProtocolId::ike, octets(0x11111111))),
     refusal(NotifyType::child_sa_not_found), "", Left::tunnel},
    {"rekeying without an SPI", "RFC 7296, 1.3.3", rekey_child(rekeys(ProtocolId::esp, {})),
     refusal(NotifyType::child_sa_not_found), "", Left::tunnel},
    {"rekeying by an SPI of 8 octets", "RFC 7296, 3.10",
     rekey_child(rekeys(ProtocolId::esp, Bytes(8, 0x11))), refusal(NotifyType::invalid_syntax),
     kMalformed, Left::nothing},
    {"rekeying by the victim's own SPI", "RFC 7296, 1.3.3",
     [](MutatingPeer& peer) {
       peer.establish();
       Draft draft = peer.rekey_child_request();
       rekeys(ProtocolId::esp, octets(peer.child_spi_out))(draft);
       return peer.send(draft);
     },
     refusal(NotifyType::child_sa_not_found), "", Left::tunnel},
    {"rekeying with other selectors", "RFC 7296, 2.9.2", rekey_child([](Draft& draft) {
       auto& selector = draft.body<wire::TrafficSelectors>(PayloadType::ts_i).selectors.front();
       selector.first = selector.last = *IpAddress::parse("10.99.0.1");
     }),
     refusal(NotifyType::ts_unacceptable), "selectors_unacceptable", Left::tunnel},
    {"unknown critical payload", "RFC 7296, 2.5", create_child([](Draft& draft) {
       draft.add(PayloadType{222}, wire::Unknown{{1}});
       draft.payloads.back().critical = true;
     }),
     refusal(NotifyType::unsupported_critical_payload), kMalformed, Left::tunnel},
    {"an honest rekey", "RFC 7296, 1.3.3", rekey_child(none), kNormal, "", Left::tunnel},
};

const Row kRekeyIke[] = {
    {"an honest rekey", "RFC 7296, 1.3.2", rekey_ike(none), kNormal, "", Left::tunnel},
    {"no SPI", "RFC 7296, 3.3.1", rekey_ike([](Draft& draft) { proposal(draft).spi.clear(); }),
     refusal(NotifyType::no_proposal_chosen), kMalformed, Left::tunnel},
    {"SPI of 4 octets", "RFC 7296, 3.3.1",
     rekey_ike([](Draft& draft) { proposal(draft).spi.resize(4); }),
     refusal(NotifyType::invalid_syntax), kMalformed, Left::nothing},
    {"SPI zero", "RFC 7296, 3.1", rekey_ike([](Draft& draft) { proposal(draft).spi.assign(8, 0); }),
     refusal(NotifyType::no_proposal_chosen), kMalformed, Left::tunnel},
    {"no KE", "RFC 7296, 1.3.2", rekey_ike(without(PayloadType::ke)),
     refusal(NotifyType::invalid_ke_payload), "other_method_wanted", Left::tunnel},
    {"KE of another method", "RFC 7296, 1.3.2", rekey_ike([](Draft& draft) {
       draft.body<wire::KeyExchangePayload>(PayloadType::ke).method = 19;
     }),
     refusal(NotifyType::invalid_ke_payload), "other_method_wanted", Left::tunnel},
    {"KE value of zeros", "RFC 8031, 2", rekey_ike([](Draft& draft) {
       draft.body<wire::KeyExchangePayload>(PayloadType::ke).data.assign(32, 0);
     }),
     refusal(NotifyType::invalid_syntax), "bad_public_value", Left::nothing},
    {"a proposal without PRF", "RFC 7296, 3.3.3", rekey_ike([](Draft& draft) {
       auto& transforms = proposal(draft).transforms;
       transforms.erase(transforms.begin() + 1);
     }),
     refusal(NotifyType::no_proposal_chosen), "no_common_proposal", Left::tunnel},
};

const Row kInformational[] = {
    {"empty", "RFC 7296, 1.4", inform(none), kNormal, "", Left::tunnel},
    {"delete of an SPI of nobody", "RFC 7296, 1.4.1",
     inform(deletes(ProtocolId::esp, 4, octets(4'711))), kNormal, "", Left::tunnel},
    {"delete of an SA of another peer", "RFC 7296, 1.4.1",
     [](MutatingPeer& peer) {
       peer.establish();
       std::uint32_t spi = 0;
       for (const auto& [key, sa] : peer.victim().sad)
         if (sa.direction == Direction::out && sa.remote.address == peer.honest().address)
           spi = sa.spi;
       EXPECT_NE(spi, 0u);
       return delete_of(peer, spi);
     },
     kNormal, "", Left::tunnel},
    {"delete by the victim's own SPI", "RFC 7296, 3.11",
     [](MutatingPeer& peer) {
       peer.establish();
       return delete_of(peer, peer.child_spi_out);
     },
     kNormal, "", Left::tunnel},
    {"delete as AH of what is ESP", "RFC 7296, 3.11",
     inform(deletes(ProtocolId::ah, 4, octets(0x11111111))), kNormal, "", Left::tunnel},
    {"delete of an unknown protocol", "RFC 7296, 3.11",
     inform(deletes(ProtocolId{77}, 4, octets(1))), kNormal, "", Left::tunnel},
    {"delete of ESP with SPIs of 3 octets", "RFC 7296, 3.11",
     inform(deletes(ProtocolId::esp, 3, Bytes(3, 1))), refusal(NotifyType::invalid_syntax),
     kMalformed, Left::nothing},
    {"delete of IKE with an SPI", "RFC 7296, 3.11",
     inform(deletes(ProtocolId::ike, 8, Bytes(8, 1))), refusal(NotifyType::invalid_syntax),
     kMalformed, Left::nothing},
    {"delete that announces more SPIs than it has", "RFC 7296, 3.11",
     inform(raw_delete({3, 4, 0, 9, 1, 2, 3, 4})), refusal(NotifyType::invalid_syntax), kMalformed,
     Left::nothing},
    {"delete with more SPIs than it announces", "RFC 7296, 3.11",
     inform(raw_delete({3, 4, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8})), refusal(NotifyType::invalid_syntax),
     kMalformed, Left::nothing},
    {"delete of 65535 SPIs", "RFC 7296, 3.11: bounded work", inform(raw_delete({3, 4, 0xff, 0xff})),
     refusal(NotifyType::invalid_syntax), kMalformed, Left::nothing},
    {"delete of no SPIs", "RFC 7296, 3.11", inform(deletes(ProtocolId::esp, 4, {})), kNormal, "",
     Left::tunnel},
    {"the same SPI deleted a thousand times", "RFC 7296, 1.4.1: bounded work",
     inform([](Draft& draft) {
       Bytes spis;
       for (int i = 0; i < 1'000; ++i)
         for (int octet = 0; octet < 4; ++octet) spis.push_back(0x11);
       deletes(ProtocolId::esp, 4, spis)(draft);
     }),
     kNormal, "", Left::ike_sa},
    {"delete of the CHILD SA", "RFC 7296, 1.4.1",
     inform(deletes(ProtocolId::esp, 4, octets(0x11111111))), kNormal, "", Left::ike_sa},
    {"delete of the IKE SA together with its CHILD SA", "RFC 7296, 1.4.1",
     inform(both(deletes(ProtocolId::esp, 4, octets(0x11111111)), deletes(ProtocolId::ike, 0, {}))),
     kNormal, "", Left::nothing},
    {"delete of the IKE SA twice", "RFC 7296, 1.4.1",
     inform(both(deletes(ProtocolId::ike, 0, {}), deletes(ProtocolId::ike, 0, {}))), kNormal, "",
     Left::nothing},
    {"an error that names no payload", "RFC 7296, 3.10.1",
     inform(notifies(NotifyType::invalid_syntax)), kNormal, "", Left::tunnel},
    {"an unknown error", "RFC 7296, 3.10.1", inform(notifies(NotifyType{9'999})), kNormal, "",
     Left::tunnel},
    {"an unknown status", "RFC 7296, 3.10.1", inform(notifies(NotifyType{50'000})), kNormal, "",
     Left::tunnel},
    {"INVALID_SPI of somebody", "RFC 7296, 1.5",
     inform(notifies(NotifyType::invalid_spi, Bytes(4))), kNormal, "", Left::tunnel},
    {"a window of 0", "RFC 7296, 2.3", inform(notifies(NotifyType::set_window_size, Bytes(4))),
     kNormal, "", Left::tunnel},
    {"INITIAL_CONTACT too late", "RFC 7296, 2.4", inform(notifies(NotifyType::initial_contact)),
     kNormal, "", Left::tunnel},
    {"unknown critical payload", "RFC 7296, 2.5", inform([](Draft& draft) {
       draft.add(PayloadType{222}, wire::Unknown{{1}});
       draft.payloads.back().critical = true;
     }),
     refusal(NotifyType::unsupported_critical_payload), kMalformed, Left::tunnel},
    {"unknown payload", "RFC 7296, 2.5",
     inform([](Draft& draft) { draft.add(PayloadType{222}, wire::Unknown{{1}}); }), kNormal, "",
     Left::tunnel},
};

const Row kWindow[] = {
    {"message ID ahead by one", "RFC 7296, 2.3",
     inform(header([](wire::Header& one) { ++one.message_id; })), kSilence, kDropped, Left::tunnel},
    {"message ID of long ago", "RFC 7296, 2.3",
     inform(header([](wire::Header& one) { one.message_id = 0; })), kSilence, kDropped,
     Left::tunnel},
    {"the highest message ID", "RFC 7296, 2.2",
     inform(header([](wire::Header& one) { one.message_id = 0xffff'ffff; })), kSilence, kDropped,
     Left::tunnel},
    {"the last request again", "RFC 7296, 2.1",
     [](MutatingPeer& peer) {
       peer.establish();
       const Bytes request = peer.encode(peer.informational());
       peer.send(request);
       return peer.send(request);
     },
     kNormal, "", Left::tunnel},
    {"another request under the last ID", "RFC 7296, 2.1",
     [](MutatingPeer& peer) {
       peer.establish();
       peer.send(peer.informational());
       Draft other = peer.informational();
       deletes(ProtocolId::ike, 0, {})(other);
       return peer.send(other);
     },
     kNormal, "", Left::tunnel},
    {"a forgery under the last ID", "RFC 7296, 2.1",
     [](MutatingPeer& peer) {
       peer.establish();
       Bytes request = peer.encode(peer.informational());
       peer.send(request);
       request.back() ^= 1;
       return peer.send(request);
     },
     kSilence, kDropped, Left::tunnel},
    {"a response to nothing", "RFC 7296, 2.2",
     inform(header([](wire::Header& one) { one.response = true; })), kSilence, kDropped,
     Left::tunnel},
    {"Initiator flag clear", "RFC 7296, 3.1",
     inform(header([](wire::Header& one) { one.initiator = false; })), kSilence, kDropped,
     Left::tunnel},
    {"a wrong tag", "RFC 7296, 3.14", inform_octets([](Bytes& all) { all.back() ^= 1; }), kSilence,
     kDropped, Left::tunnel},
    {"a delete in clear", "RFC 7296, 2.21.4",
     [](MutatingPeer& peer) {
       peer.establish();
       Draft draft = peer.informational();
       deletes(ProtocolId::ike, 0, {})(draft);
       return peer.send(wire::encode_message(draft.header, draft.payloads));
     },
     kSilence, kDropped, Left::tunnel},
    {"INVALID_SPI in clear", "RFC 7296, 1.5",
     [](MutatingPeer& peer) {
       peer.establish();
       Draft draft = peer.informational();
       draft.header.spi_i = draft.header.spi_r = 0;
       draft.add_notify(NotifyType::invalid_spi, Bytes(4));
       return peer.send(wire::encode_message(draft.header, draft.payloads));
     },
     kSilence, kDropped, Left::tunnel},
    {"IKE_AUTH again", "RFC 7296, 1.2",
     inform(header([](wire::Header& one) { one.exchange = ExchangeType::ike_auth; })),
     refusal(NotifyType::invalid_syntax), kMalformed, Left::nothing},
    {"an unknown exchange", "RFC 7296, 3.1",
     inform(header([](wire::Header& one) { one.exchange = ExchangeType{240}; })),
     refusal(NotifyType::invalid_syntax), kMalformed, Left::nothing},
    {"IKE_SA_INIT with the SPIs of an IKE SA", "RFC 7296, 2.2",
     [](MutatingPeer& peer) {
       peer.establish();
       Draft draft = peer.init_request();
       return peer.send(draft);
     },
     kSilence, kDropped, Left::tunnel},
    {"from an address of somebody else", "RFC 7296, 2.11",
     [](MutatingPeer& peer) {
       peer.establish();
       return peer.send_from({*IpAddress::parse("203.0.113.9"), 500},
                             peer.encode(peer.informational()));
     },
     kNormal, "", Left::tunnel},
};

class HostileEstablished : public ::testing::TestWithParam<Row> {};
TEST_P(HostileEstablished, IsAnsweredAsTheRfcWants) { expect(GetParam()); }
INSTANTIATE_TEST_SUITE_P(CreateChild, HostileEstablished, ::testing::ValuesIn(kCreateChild));
INSTANTIATE_TEST_SUITE_P(RekeyIke, HostileEstablished, ::testing::ValuesIn(kRekeyIke));
INSTANTIATE_TEST_SUITE_P(Informational, HostileEstablished, ::testing::ValuesIn(kInformational));
INSTANTIATE_TEST_SUITE_P(Window, HostileEstablished, ::testing::ValuesIn(kWindow));

}  // namespace
}  // namespace culvert::exchange_test
