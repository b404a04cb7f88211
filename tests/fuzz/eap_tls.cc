// links: eap
// Any octets as the packets of EAP-TLS, EAP-TTLS and PEAP, before the TLS tunnel stands and inside
// it, against either side, and as attributes of EAP-TTLS: no crash, bounded memory, the verdict is
// never success, and attributes that decode encode back to what decodes alike.
#include <cstdlib>

#include "eap/ttls_avp.h"
#include "tests/unit/eap/tls_world.h"

namespace {

using namespace culvert;
using namespace culvert::eap;
using namespace culvert::eap::testing;

void require(bool condition) {
  if (!condition) std::abort();
}

// A prefix of at most 255 octets; its length comes first.
ByteView take_part(ByteView& from) {
  if (from.empty()) return {};
  const std::size_t size = std::min<std::size_t>(from[0], from.size() - 1);
  const ByteView part = from.subspan(1, size);
  from = from.subspan(1 + size);
  return part;
}

TlsWorld& world() {
  static TlsWorld made;
  return made;
}

void check_avps(ByteView octets) {
  const auto avps = decode_avps(octets);
  if (!avps) return;
  Bytes again;
  for (const Avp& avp : *avps) encode_avp(again, avp);
  const auto twice = decode_avps(again);
  require(twice.has_value() && twice->size() == avps->size());
  for (std::size_t i = 0; i < avps->size(); ++i)
    require((*twice)[i].code == (*avps)[i].code && equal((*twice)[i].data, (*avps)[i].data));
}

// Methods in which a password can be guessed, or a server needs not know it.
bool can_be_forged(const Flavour& flavour) {
  return flavour.ttls == TtlsPeer::Inner::pap || flavour.inner == kGtc || flavour.inner == kMd5;
}

// A method, and what talks to it.
class Opponent {
 public:
  Opponent(const Flavour& flavour, bool against_server)
      : against_server_(against_server), may_succeed_(can_be_forged(flavour)) {
    method_ = against_server ? world().server_method(flavour) : world().peer_method(flavour);
    turn_ = against_server ? method_->begin(0) : deliver(TlsFragments::start());
  }

  bool open() const { return turn_.next == Turn::Next::go_on || turn_.next == Turn::Next::discard; }
  void say(ByteView type_data) {
    turn_ = deliver(type_data);
    require(may_succeed_ || (turn_.next != Turn::Next::succeeded && method_->msk().empty()));
  }

  // A real TLS handshake, so that what follows gets into the tunnel.
  void shake_hands(const Flavour& flavour) {
    const bool shows = !against_server_ || flavour.type == kTls;
    session_ = tls::Session::make(world().context(shows ? &world().server_certificate : nullptr),
                                  {.side = against_server_ ? tls::Side::client : tls::Side::server,
                                   .verify = trust(world().root)})
                   .value();
    while (open() && session_->state() == tls::State::handshaking) exchange();
  }
  void say_in_tunnel(ByteView data) {
    if (session_->state() != tls::State::established) return;
    require(session_->write(data).has_value());
    exchange();
  }

 private:
  Turn deliver(ByteView type_data) {
    ++identifier_;
    return method_->receive({.code = against_server_ ? Code::response : Code::request,
                             .identifier = identifier_,
                             .type = method_->type(),
                             .data = type_data});
  }
  // Takes what the method said, and answers.
  void exchange() {
    auto received = fragments_.take(turn_.data.value_or(Bytes{}));
    while (received && received->kind == TlsFragments::Received::Kind::fragment) {
      say(TlsFragments::acknowledgement());
      received = fragments_.take(turn_.data.value_or(Bytes{}));
    }
    if (received) session_->feed(received->message);
    session_->input();
    fragments_.put(session_->output());
    do {
      say(fragments_.next());
      if (fragments_.more()) fragments_.take(turn_.data.value_or(Bytes{}));
    } while (open() && fragments_.more());
  }

  bool against_server_;
  bool may_succeed_;
  std::unique_ptr<Method> method_;
  Turn turn_;
  std::uint8_t identifier_ = 0;
  TlsFragments fragments_{1'000};
  std::unique_ptr<tls::Session> session_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  ByteView input(data + 1, size - 1);
  check_avps(input);
  const Flavour& flavour = kFlavours[data[0] % std::size(kFlavours)];
  world().version = (data[0] & 0x10) != 0 ? Version::v1_3 : Version::v1_2;
  Opponent opponent(flavour, (data[0] & 0x20) != 0);
  if ((data[0] & 0x40) == 0) {
    while (opponent.open() && !input.empty()) opponent.say(take_part(input));
    return 0;
  }
  if (flavour.type == kTls) return 0;  // there, a client without data of its own does succeed
  opponent.shake_hands(flavour);
  while (opponent.open() && !input.empty()) opponent.say_in_tunnel(take_part(input));
  return 0;
}
