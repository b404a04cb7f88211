// Invariant: a method that shows a password, or rests on a certificate, is offered only with a
// verifier that knows whom it has to be.
#include "ikev2/eap_methods.h"

#include <algorithm>
#include <array>
#include <utility>

#include "eap/password_methods.h"
#include "eap/peap.h"
#include "eap/sim_methods.h"
#include "eap/ttls.h"
#include "ikev2/tls_end.h"

namespace culvert::ikev2 {
namespace {

using Offers = std::vector<eap::Offer>;
using OneOffer = std::expected<eap::Offer, trace::Body>;

// Where the configuration names none. GTC shows the password, so it has to be named.
constexpr std::array kUsualMethods{eap::kMschapv2, eap::kTls, eap::kTtls, eap::kPeap, eap::kMd5};
// Inside a tunnel, whose server is known.
constexpr std::array kInnerMethods{eap::kMschapv2, eap::kGtc, eap::kMd5};

std::vector<eap::Type> methods_of(const AuthConfig& config) {
  std::vector<eap::Type> types;
  for (const std::string& name : config.eap_methods)
    if (const auto type = eap::parse_type(name)) types.push_back(*type);
  if (types.empty()) types.assign(kUsualMethods.begin(), kUsualMethods.end());
  return types;
}

bool is_sim(eap::Type type) {
  return type == eap::kSim || type == eap::kAka || type == eap::kAkaPrime;
}

// All that `make` can make; the first reason where it can make none.
template <class F>
std::expected<Offers, trace::Body> collect(const std::vector<eap::Type>& types, F&& make) {
  Offers offers;
  std::optional<trace::Body> why;
  for (const eap::Type type : types) {
    OneOffer offer = make(type);
    if (offer)
      offers.push_back(std::move(*offer));
    else if (!why)
      why = std::move(offer.error());
  }
  if (offers.empty() && why) return std::unexpected(std::move(*why));
  return offers;
}

// ---- server ----

struct ServerSide {
  Host& host;
  const IkeSa& sa;
  AuthExchange& exchange;
  TimePoint now;

  eap::PasswordServer passwords() const { return {host.provider(), host.users(), host.date(now)}; }
  Offers inner() const {
    Offers offers;
    for (const eap::Type type : kInnerMethods)
      offers.push_back(*eap::offer_password_server(type, passwords()));
    return offers;
  }

  bool has_aka_prime() const {
    const auto types = methods_of(sa.connection->remote);
    return std::ranges::find(types, eap::kAkaPrime) != types.end();
  }

  OneOffer offer(eap::Type type) const {
    const eap::SimServer sim{.provider = host.provider(),
                             .centre = host.subscribers(),
                             .offers_aka_prime = has_aka_prime()};
    if (auto offer = eap::offer_sim_server(type, sim)) return std::move(*offer);
    if (auto offer = eap::offer_password_server(type, passwords())) return std::move(*offer);
    auto context = own_tls_context(host, sa, exchange);
    if (!context) return std::unexpected(std::move(context.error()));
    eap::TlsEnd end{.context = std::move(*context)};
    if (type == eap::kTls)
      return eap::Offer{type, [self = *this, end](const std::string& user) {
                          eap::TlsEnd whole = end;
                          whole.verify =
                              trust_user(self.host, self.sa, self.exchange, user, self.now);
                          return eap::make_tls_server(std::move(whole));
                        }};
    if (type == eap::kTtls)
      return eap::Offer{type, [self = *this, end](const std::string&) {
                          return eap::make_ttls_server(
                              end, {.passwords = self.passwords(), .methods = self.inner()});
                        }};
    return eap::Offer{type, [self = *this, end](const std::string&) {
                        return eap::make_peap_server(end, {self.host.provider(), self.inner()});
                      }};
  }
};

// ---- client ----

struct ClientSide {
  Host& host;
  const IkeSa& sa;
  AuthExchange& exchange;
  TimePoint now;

  const eap::Password* password() const {
    const eap::User* user = host.users().find(sa.eap_user);
    return user ? &user->password : nullptr;
  }
  trace::Body no_password() const { return trace::NoEapCredential{eap::printable(sa.eap_user)}; }
  Offers inner() const {
    Offers offers;
    for (const eap::Type type : kInnerMethods)
      offers.push_back(*eap::offer_password_peer(type, host.provider(), sa.eap_user, *password()));
    return offers;
  }

  // RFC 9048, 4: who does AKA' does not let itself be talked into AKA.
  std::optional<eap::Offer> sim_offer(eap::Type type) const {
    if (!exchange.sim_card) exchange.sim_card = host.subscribers().card(sa.eap_user);
    if (!exchange.sim_card) return std::nullopt;
    const auto types = methods_of(sa.connection->local);
    return eap::offer_sim_peer(
        type, {.provider = host.provider(),
               .card = *exchange.sim_card,
               .accepts_aka_prime = std::ranges::find(types, eap::kAkaPrime) != types.end()});
  }

  OneOffer offer(eap::Type type) const {
    if (type == eap::kTls) return tls();
    if (is_sim(type)) {
      auto offer = sim_offer(type);
      if (!offer) return std::unexpected(trace::NoSimCard{eap::printable(sa.eap_user)});
      return std::move(*offer);
    }
    if (!password()) return std::unexpected(no_password());
    if (auto offer = eap::offer_password_peer(type, host.provider(), sa.eap_user, *password()))
      return std::move(*offer);
    auto context = host.credentials().tls_contexts().get({}, {});
    if (!context)
      return std::unexpected(trace::InternalError{"tls::Context", context.error().reason});
    const eap::TlsEnd end{.context = std::move(*context),
                          .verify = trust_server(host, sa, exchange, now)};
    if (type == eap::kPeap)
      return eap::Offer{type, [self = *this, end](const std::string&) {
                          return eap::make_peap_peer(end, {self.sa.eap_user, self.inner()});
                        }};
    return eap::Offer{type, [self = *this, end](const std::string&) {
                        return eap::make_ttls_peer(end, {.provider = self.host.provider(),
                                                         .inner = eap::TtlsPeer::Inner::eap,
                                                         .user = self.sa.eap_user,
                                                         .password = eap::clone(*self.password()),
                                                         .methods = self.inner()});
                      }};
  }

  OneOffer tls() const {
    auto context = own_tls_context(host, sa, exchange);
    if (!context) return std::unexpected(std::move(context.error()));
    const eap::TlsEnd end{.context = std::move(*context),
                          .verify = trust_server(host, sa, exchange, now)};
    return eap::Offer{eap::kTls, [end](const std::string&) { return eap::make_tls_peer(end); }};
  }
};

}  // namespace

std::expected<Offers, trace::Body> eap_server_offers(Host& host, const IkeSa& sa,
                                                     AuthExchange& exchange, TimePoint now) {
  const ServerSide side{host, sa, exchange, now};
  return collect(methods_of(sa.connection->remote),
                 [&](eap::Type type) { return side.offer(type); });
}

std::expected<Offers, trace::Body> eap_client_offers(Host& host, const IkeSa& sa,
                                                     AuthExchange& exchange, TimePoint now) {
  const ClientSide side{host, sa, exchange, now};
  return collect(methods_of(sa.connection->local),
                 [&](eap::Type type) { return side.offer(type); });
}

}  // namespace culvert::ikev2
