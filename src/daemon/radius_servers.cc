#include "daemon/radius_servers.h"

#include <fmt/format.h>

#include "ike/credentials.h"
#include "pki/identity_match.h"

namespace culvert {
namespace {

std::string name_of(const radius::Server& server) {
  return fmt::format("{} of {}", server.endpoint.to_string(), server.name);
}

// Invariant: a server is believed when a CA of the service vouches for its name.
class Judge {
 public:
  Judge(Provider& provider, const config::RadiusTls& tls, Identity server)
      : provider_(provider),
        credentials_(std::make_shared<Credentials>(provider)),
        server_(std::move(server)) {
    for (const CertificateData& ca : tls.ca)
      if (auto parsed = pki::parse_certificate(provider, ca.view()))
        credentials_->store().add_ca(std::move(*parsed));
  }

  std::optional<tls::Refusal> operator()(std::span<const Bytes> chain) const {
    std::vector<pki::CertificateRef> certificates;
    for (const Bytes& der : chain)
      if (auto parsed = pki::parse_certificate(provider_, der))
        certificates.push_back(std::move(*parsed));
    if (certificates.size() != chain.size() || certificates.empty())
      return tls::Refusal{tls::Alert::bad_certificate, "a certificate cannot be read"};
    pki::PathOptions options;
    options.now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
    options.purpose = pki::PathPurpose::tls_server;
    if (const auto path = credentials_->check(certificates.front(), certificates, options); !path)
      return tls::Refusal{tls::Alert::bad_certificate, pki::to_sentence(path.error())};
    if (!pki::certifies(*certificates.front(), server_))
      return tls::Refusal{tls::Alert::bad_certificate,
                          "the certificate is not one of " + to_string(server_)};
    return std::nullopt;
  }

 private:
  Provider& provider_;
  std::shared_ptr<Credentials> credentials_;
  Identity server_;
};

std::expected<std::shared_ptr<const tls::Context>, std::string> context_of(
    const config::RadiusTls& tls, Provider& provider, Signer& signer) {
  const auto spki = signer.load_file(tls.key, {});
  if (!spki) return std::unexpected("the private key: " + spki.error());
  const auto key = provider.load_public_key(*spki);
  if (!key) return std::unexpected("the private key of " + tls.key + " is of an unknown kind");
  tls::Settings settings;
  for (const CertificateData& one : tls.cert)
    settings.credential.chain.push_back(to_bytes(one.view()));
  settings.credential.sign = [&signer, id = (*key)->key_id()](const SignatureScheme& scheme,
                                                              ByteView message) -> Result<Bytes> {
    auto made = signer.sign_now(id, scheme, to_bytes(message));
    if (!made) return fail(Fault::internal, Reason::system);
    return std::move(*made);
  };
  auto context = tls::Context::make(std::move(settings));
  if (!context) return std::unexpected("its certificate cannot be used for TLS");
  return std::move(*context);
}

}  // namespace

std::expected<RadiusServers, std::string> servers_of(const config::RadiusService& service,
                                                     RadiusPort port, Provider& provider,
                                                     Signer& signer) {
  RadiusServers all;
  for (const config::RadiusServer& one : service.servers)
    all.servers.push_back(
        {.name = service.table(),
         .endpoint = port == RadiusPort::authentication ? one.authentication : one.accounting,
         .secret = service.secret.clone(),
         .timeout = service.timeout,
         .tries = service.tries,
         .dead_time = service.dead_time,
         .stream = service.tls.has_value()});
  if (!service.tls) return all;
  const auto context = context_of(*service.tls, provider, signer);
  if (!context) return std::unexpected(service.table() + ": " + context.error());
  const std::string& name = service.tls->server_name;
  for (std::uint32_t i = 0; i < service.servers.size(); ++i) {
    Identity server = name.empty() ? identity_of(service.servers[i].authentication.address)
                                   : parse_identity(name).value_or(Identity{});
    all.tls.emplace(
        i, io::RadsecTls{*context, Judge(provider, *service.tls, std::move(server)), name});
  }
  return all;
}

radius::Nas nas_of(const config::RadiusService& service) { return {service.nas_identifier, {}}; }

std::optional<trace::Event> event_of(const radius::Client& client, const radius::Output& output) {
  if (const auto* dead = std::get_if<radius::ServerDead>(&output))
    return trace::Event{
        {}, trace::AaaServerDead{name_of(client.server(dead->server)), std::string(dead->why)}};
  if (const auto* alive = std::get_if<radius::ServerAlive>(&output))
    return trace::Event{{}, trace::AaaServerAlive{name_of(client.server(alive->server))}};
  if (const auto* dropped = std::get_if<radius::Dropped>(&output))
    return trace::Event{{}, trace::AaaAnswerDropped{dropped->remote, dropped->why}};
  return std::nullopt;
}

}  // namespace culvert
