// Certificates, private keys and EAP users over the control socket.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "control/vici_commands.h"
#include "control/vici_load.h"
#include "control/vici_values.h"
#include "pki/certificate_file.h"

namespace culvert::vici {
namespace {

// A private key by the SHA-1 of its public key, as charon names it.
std::string key_name(const KeyId& key) { return fmt::format("{:02x}", fmt::join(key, "")); }

std::string date(std::chrono::sys_seconds time) {
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  constexpr std::string_view kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  return fmt::format(
      "{} {} {:02} {:02}:{:02}:{:02} {}", kDays[std::chrono::weekday(day).c_encoding()],
      kMonths[static_cast<unsigned>(date.month()) - 1], static_cast<unsigned>(date.day()),
      clock.hours().count(), clock.minutes().count(), clock.seconds().count(),
      static_cast<int>(date.year()));
}

}  // namespace

void wipe(Message& request) {
  for (auto& element : request.elements())
    if (auto* value = std::get_if<std::string>(&element.value))
      secure_zero(MutableBytes(reinterpret_cast<std::uint8_t*>(value->data()), value->size()));
}

void Commands::load_cert(Message& request, const ReplyRef& reply) {
  const auto type = request.get("type"), flag = request.get("flag");
  const auto* data = request.find("data");
  if (data == nullptr || data->empty()) return reply->respond(failure("certificate data missing"));
  if (equal_without_case(type, "x509_crl")) {
    auto done = backend_.load_crl(as_bytes(*data));
    return reply->respond(done ? success() : failure(done.error()));
  }
  if (!equal_without_case(type, "x509"))
    return reply->respond(
        failure(fmt::format("certificates of type {} are not supported by Culvert", quoted(type))));
  if (!flag.empty() && !equal_without_case(flag, "none") && !equal_without_case(flag, "ca"))
    return reply->respond(
        failure(fmt::format("certificates with the flag {} are not supported", quoted(flag))));
  auto loaded = add_certificates(*data, equal_without_case(flag, "ca"));
  reply->respond(loaded ? success() : failure(loaded.error()));
}

std::expected<void, std::string> Commands::add_certificates(const std::string& file, bool is_ca) {
  const auto certificates = pki::certificates_in(as_bytes(file));
  if (!certificates) return std::unexpected("parsing the certificate failed");
  for (const Bytes& der : *certificates) {
    auto parsed = backend_.parse_certificate(der);
    if (!parsed) return std::unexpected(parsed.error());
    listed_certificates_[(*parsed)->fingerprint] = {*parsed, is_ca};
    backend_.load_certificate({*parsed, is_ca});
  }
  return {};
}

void Commands::load_authority(Message& request, const ReplyRef& reply) {
  for (const auto& element : request.elements()) {
    const auto* section = std::get_if<Section>(&element.value);
    const auto* file = section ? section->find("cacert") : nullptr;
    if (file == nullptr)
      return reply->respond(failure("an authority needs `cacert`, the data of its certificate"));
    for (const std::string_view missing : {"crl_uris", "ocsp_uris", "cert_uri_base"})
      if (section->find(missing) || section->find_list(missing))
        return reply->respond(
            failure(fmt::format("{} of an authority is not supported by Culvert", missing)));
    if (auto loaded = add_certificates(*file, true); !loaded)
      return reply->respond(failure(loaded.error()));
    authorities_.insert(element.name);
  }
  reply->respond(success());
}

void Commands::load_key(Message& request, const ReplyRef& reply) {
  const auto* data = request.find("data");
  if (data == nullptr || data->empty()) return reply->respond(failure("private key data missing"));
  auto key = backend_.load_key(as_bytes(*data));
  wipe(request);
  if (!key) return reply->respond(failure("the private key " + key.error()));
  Message message = success();
  message.add("id", key_name(*key));
  keys_.insert(*key);
  reply->respond(std::move(message));
}

void Commands::unload_key(Message& request, const ReplyRef& reply) {
  const auto id = request.get("id");
  const auto at = std::ranges::find(keys_, id, key_name);
  if (at == keys_.end())
    return reply->respond(failure(fmt::format("unload: private key {} not found", quoted(id))));
  backend_.forget_key(*at);
  keys_.erase(at);
  reply->respond(success());
}

void Commands::get_keys(Message&, const ReplyRef& reply) {
  List names;
  for (const KeyId& key : keys_) names.push_back(key_name(key));
  Message message;
  message.add_list("keys", std::move(names));
  reply->respond(std::move(message));
}

void Commands::get_authorities(Message&, const ReplyRef& reply) {
  Message message;
  message.add_list("authorities", List(authorities_.begin(), authorities_.end()));
  reply->respond(std::move(message));
}

void Commands::list_certs(Message& request, const ReplyRef& reply) {
  const auto type = request.get("type"), flag = request.get("flag");
  std::vector<Message> events;
  for (const auto& [fingerprint, one] : listed_certificates_) {
    const std::string_view its_flag = one.is_ca ? "CA" : "NONE";
    const bool fits_type =
        type.empty() || equal_without_case(type, "any") || equal_without_case(type, "x509");
    const bool fits_flag =
        flag.empty() || equal_without_case(flag, "any") || equal_without_case(flag, its_flag);
    if (!fits_type || !fits_flag) continue;
    const pki::Certificate& certificate = *one.certificate;
    Message event;
    event.add("type", "X509").add("flag", std::string(its_flag));
    if (certificate.key && keys_.contains(certificate.key->key_id()))
      event.add("has_privkey", "yes");
    event.add("data", std::string(as_text(certificate.der)))
        .add("subject", pki::name_text(certificate.subject))
        .add("not-before", date(certificate.not_before))
        .add("not-after", date(certificate.not_after));
    events.push_back(std::move(event));
  }
  reply->stream(
      "list-cert",
      [events = std::move(events), at = std::size_t{0}]() mutable -> std::optional<Message> {
        if (at == events.size()) return std::nullopt;
        return std::move(events[at++]);
      });
}

void Commands::load_eap_users(Message& request, const ReplyRef& reply) {
  auto users = load_users(request);
  const std::string given = std::string(request.get("id"));
  wipe(request);
  if (!users) return reply->respond(failure(users.error()));
  const std::string id = given.empty() ? fmt::format("#{}", next_secret_++) : given;
  unload_eap_users(id);
  for (eap::User& user : *users) {
    users_[id].push_back(user.name);
    backend_.execute(LoadUser{std::move(user)}, {});
  }
  secrets_.insert(id);
  reply->respond(success());
}

bool Commands::unload_eap_users(const std::string& id) {
  const auto at = users_.find(id);
  if (at == users_.end()) return false;
  for (const std::string& name : at->second) backend_.execute(UnloadUser{name}, {});
  users_.erase(at);
  return true;
}

void Commands::clear_certificates() {
  for (const KeyId& key : keys_) backend_.forget_key(key);
  keys_.clear();
  authorities_.clear();
  listed_certificates_.clear();
  backend_.clear_certificates();
}

}  // namespace culvert::vici
