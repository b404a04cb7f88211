// load-conn and load-shared: one table row per option, so that what is understood, what is only
// accepted with its default, and what is unknown can be read off. Defaults are those of
// strongSwan's swanctl.conf(5).
#include "control/vici_load.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "base/nearest.h"
#include "control/vici_options.h"
#include "control/vici_values.h"
#include "crypto/openssl_provider.h"
#include "pki/certificate.h"

namespace culvert::vici {

namespace {

constexpr Duration kDefaultIkeRekey = std::chrono::hours(4);
constexpr Duration kDefaultChildRekey = std::chrono::hours(1);

template <class T>
std::string unknown_option(const std::string& path, std::string_view name,
                           std::span<const Option<T>> options) {
  std::vector<std::string_view> names;
  for (const auto& option : options) names.push_back(option.name);
  const auto near = nearest(name, names);
  return fmt::format("unknown option: {}{}, config discarded{}", path, name,
                     near.empty() ? "" : fmt::format(" (did you mean {}?)", near));
}

// For options that exist only with their default: is this that value, in whatever form?
bool is_default(std::string_view value, std::string_view standard) {
  if (equal_without_case(value, standard)) return true;
  if (const auto wanted = parse_bool(standard); wanted && parse_bool(value) == wanted) return true;
  // Marks are "value/mask": without a value there is no mark.
  const auto wanted = parse_number(standard);
  return wanted && parse_number(value.substr(0, value.find('/'))) == wanted;
}

template <class T>
std::expected<void, std::string> apply_value(const std::string& path, const Option<T>& option,
                                             std::string_view value, T& target) {
  if (option.set == nullptr) {
    if (is_default(value, option.standard)) return {};
    return std::unexpected(fmt::format(
        "{}{} = {} is not supported by Culvert, only {}; config discarded", path, option.name,
        quoted(value), option.standard.empty() ? "leaving it out" : quoted(option.standard)));
  }
  if (auto set = option.set(target, value); !set)
    return std::unexpected(fmt::format("invalid value for: {}{}, config discarded: {} is not {}",
                                       path, option.name, quoted(value), set.error()));
  return {};
}

// Applies the key/values and lists of `section`; its sections are the caller's.
template <class T>
std::expected<void, std::string> apply_options(const Section& section, const std::string& path,
                                               std::span<const Option<T>> options, T& target) {
  std::vector<std::string_view> seen;
  for (const auto& element : section.elements()) {
    if (std::holds_alternative<Section>(element.value)) continue;
    const auto option = std::ranges::find(options, element.name, &Option<T>::name);
    if (option == options.end())
      return std::unexpected(unknown_option(path, quoted_name(element.name), options));
    if (std::ranges::find(seen, element.name) != seen.end())
      return std::unexpected(
          fmt::format("{}{} is given twice, config discarded", path, option->name));
    seen.push_back(option->name);
    const auto* list = std::get_if<List>(&element.value);
    if (list != nullptr && !option->list)
      return std::unexpected(
          fmt::format("{}{} takes one value, not a list; config discarded", path, option->name));
    const auto values =
        list != nullptr ? std::span(*list) : std::span(&std::get<std::string>(element.value), 1);
    for (const auto& value : values)
      if (auto applied = apply_value(path, *option, value, target); !applied) return applied;
  }
  return {};
}

template <class T>
T excess(T life, T rekey) {
  return life > rekey ? life - rekey : T{};
}

// swanctl.conf(5): a hard limit is the soft one plus 10 %, the randomness is their difference.
void derive_lifetime(ChildDraft& draft) {
  auto& to = draft.config.lifetime;
  to.rekey_time = draft.rekey_time.value_or(kDefaultChildRekey);
  to.life_time = draft.life_time.value_or(to.rekey_time + to.rekey_time / 10);
  to.rand_time = draft.rand_time.value_or(excess(to.life_time, to.rekey_time));
  to.rekey_bytes = draft.rekey_bytes.value_or(0);
  to.life_bytes = draft.life_bytes.value_or(to.rekey_bytes + to.rekey_bytes / 10);
  to.rand_bytes = draft.rand_bytes.value_or(excess(to.life_bytes, to.rekey_bytes));
  to.rekey_packets = draft.rekey_packets.value_or(0);
  to.life_packets = draft.life_packets.value_or(to.rekey_packets + to.rekey_packets / 10);
  to.rand_packets = draft.rand_packets.value_or(excess(to.life_packets, to.rekey_packets));
}

// swanctl.conf(5): rekeying every four hours unless either time is set; over_time is 10 % of the
// longer, rand_time equals it but is at most half of the shorter.
void derive_times(ConnectionDraft& draft) {
  auto& to = draft.config;
  if (!draft.rekey_time && !draft.reauth_time) draft.rekey_time = kDefaultIkeRekey;
  to.rekey_time = draft.rekey_time.value_or(Duration{});
  to.reauth_time = draft.reauth_time.value_or(Duration{});
  const auto longer = std::max(to.rekey_time, to.reauth_time);
  const bool both = to.rekey_time > Duration{} && to.reauth_time > Duration{};
  const auto shorter = both ? std::min(to.rekey_time, to.reauth_time) : longer;
  to.over_time = draft.over_time.value_or(longer / 10);
  to.rand_time = draft.rand_time.value_or(std::min(to.over_time, shorter / 2));
}

std::expected<ChildConfig, std::string> load_child(const std::string& path, const Element& element,
                                                   const Section& section) {
  if (element.name.empty() || !is_printable(element.name))
    return std::unexpected(fmt::format("{}: a child's name must be printable text", path));
  ChildDraft draft;
  draft.config.name = element.name;
  const auto child_path = path + element.name + ".";
  if (auto applied = apply_options(section, child_path, child_options(), draft); !applied)
    return std::unexpected(applied.error());
  for (const auto& inner : section.elements())
    if (std::holds_alternative<Section>(inner.value))
      return std::unexpected(fmt::format("invalid section: {}{}, config discarded", child_path,
                                         quoted_name(inner.name)));
  auto& config = draft.config;
  const auto is_ah = [](const Proposal& proposal) {
    return proposal.protocol == wire::ProtocolId::ah;
  };
  if (std::ranges::any_of(config.proposals, is_ah) && !std::ranges::all_of(config.proposals, is_ah))
    return std::unexpected(fmt::format(
        "{}ah_proposals and {}esp_proposals: a CHILD_SA is one or the other; config discarded",
        child_path, child_path));
  if (config.local.empty()) config.local.push_back(*parse_selector("dynamic"));
  if (config.remote.empty()) config.remote.push_back(*parse_selector("dynamic"));
  if (config.proposals.empty()) config.proposals = default_proposals(wire::ProtocolId::esp);
  derive_lifetime(draft);
  return std::move(config);
}

std::expected<void, std::string> load_children(const std::string& path, const Section& section,
                                               ConnectionConfig& to) {
  for (const auto& element : section.elements()) {
    const auto* child_section = std::get_if<Section>(&element.value);
    if (child_section == nullptr)
      return std::unexpected(
          fmt::format("{}{} must be a section, config discarded", path, quoted_name(element.name)));
    auto child = load_child(path, element, *child_section);
    if (!child) return std::unexpected(child.error());
    if (std::ranges::find(to.children, child->name, &ChildConfig::name) != to.children.end())
      return std::unexpected(
          fmt::format("{}{} is given twice, config discarded", path, child->name));
    to.children.push_back(std::move(*child));
  }
  return {};
}

std::expected<void, std::string> load_auth(const std::string& path, const Section& section,
                                           std::optional<AuthDraft>& to) {
  if (to)
    return std::unexpected(
        fmt::format("{} is a second round of authentication, which is not supported by Culvert; "
                    "config discarded",
                    path));
  to.emplace();
  if (auto applied = apply_options(section, path + ".", auth_options(), *to); !applied)
    return applied;
  for (const auto& inner : section.elements())
    if (std::holds_alternative<Section>(inner.value))
      return std::unexpected(
          fmt::format("{}.{}: certificates by handle or file are not supported by Culvert, only "
                      "`certs` and `cacerts`; config discarded",
                      path, quoted_name(inner.name)));
  return {};
}

// Without an id we are the subject of our certificate, as with charon.
void name_after_certificate(AuthConfig& local) {
  if (!local.id.is_any() || local.kind == AuthKind::psk || local.certs.empty()) return;
  const auto provider = make_openssl_provider();
  if (const auto parsed = pki::parse_certificate(*provider, local.certs.front().view()))
    local.id = {wire::IdType::der_asn1_dn, to_bytes((*parsed)->subject)};
}

// pass and drop policies are nobody's: a connection that has nothing else needs no authentication.
void finish_both(const std::optional<AuthDraft>& local, const std::optional<AuthDraft>& remote,
                 ConnectionConfig& config) {
  if (config.has_only_shunts() && !local && !remote) return;
  config.local = local.value_or(AuthDraft{}).config;
  name_after_certificate(config.local);
  config.remote = remote.value_or(AuthDraft{}).config;
}

bool is_ntlm(const Message& request) { return equal_without_case(request.get("type"), "ntlm"); }

bool has_prefix(std::string_view text, std::string_view prefix) {
  return equal_without_case(text.substr(0, prefix.size()), prefix);
}

std::expected<ConnectionConfig, std::string> load_connection(const std::string& name,
                                                             const Section& section) {
  ConnectionDraft draft;
  auto& config = draft.config;
  config.name = name;
  config.version = 0;
  const auto path = name + ".";
  if (auto applied = apply_options(section, path, connection_options(), draft); !applied)
    return std::unexpected(applied.error());

  std::optional<AuthDraft> local, remote;
  for (const auto& element : section.elements()) {
    const auto* inner = std::get_if<Section>(&element.value);
    if (inner == nullptr) continue;
    std::expected<void, std::string> loaded;
    if (equal_without_case(element.name, "children"))
      loaded = load_children(path + "children.", *inner, config);
    else if (has_prefix(element.name, "local"))
      loaded = load_auth(path + quoted_name(element.name), *inner, local);
    else if (has_prefix(element.name, "remote"))
      loaded = load_auth(path + quoted_name(element.name), *inner, remote);
    else
      loaded = std::unexpected(
          fmt::format("invalid section: {}{}, config discarded", path, quoted_name(element.name)));
    if (!loaded) return std::unexpected(loaded.error());
  }
  finish_both(local, remote, config);
  for (auto& child : config.children) {
    if (child.if_id_in == 0) child.if_id_in = config.if_id_in;
    if (child.if_id_out == 0) child.if_id_out = config.if_id_out;
  }
  if (config.proposals.empty()) config.proposals = default_proposals(wire::ProtocolId::ike);
  derive_times(draft);
  return std::move(config);
}

}  // namespace

std::expected<std::vector<ConnectionConfig>, std::string> load_connections(const Message& request) {
  std::vector<ConnectionConfig> connections;
  for (const auto& element : request.elements()) {
    const auto* section = std::get_if<Section>(&element.value);
    if (section == nullptr || element.name.empty() || !is_printable(element.name))
      return std::unexpected("load-conn takes sections, each named like its connection");
    auto connection = load_connection(element.name, *section);
    if (!connection) return std::unexpected(connection.error());
    connections.push_back(std::move(*connection));
  }
  if (connections.empty()) return std::unexpected("load-conn without a connection");
  return connections;
}

std::expected<std::vector<eap::User>, std::string> load_users(const Message& request) {
  const auto* data = request.find("data");
  const auto* owners = request.find_list("owners");
  if (data == nullptr) return std::unexpected("shared key data missing");
  if (owners == nullptr || owners->empty())
    return std::unexpected("an EAP secret needs the user's name as its owner");
  std::vector<eap::User> users;
  for (const std::string& owner : *owners) {
    SecretBytes octets{as_bytes(*data)};
    if (is_ntlm(request))
      users.push_back({owner, eap::NtHash{std::move(octets)}});
    else
      users.push_back({owner, eap::ClearPassword{std::move(octets)}});
  }
  if (is_ntlm(request) && data->size() != eap::kNtHashSize)
    return std::unexpected("an NTLM secret has 16 octets");
  return users;
}

std::expected<SharedSecret, std::string> load_shared(const Message& request) {
  const auto* type = request.find("type");
  if (type == nullptr) return std::unexpected("shared key type missing");
  if (!equal_without_case(*type, "ike"))
    return std::unexpected(
        fmt::format("shared keys of type {} are not supported by Culvert, only IKE, EAP and NTLM",
                    quoted(*type)));
  const auto* data = request.find("data");
  if (data == nullptr || data->empty()) return std::unexpected("shared key data missing");
  SharedSecret secret{std::string(request.get("id")), SecretBytes(as_bytes(*data)), {}};
  if (!is_printable(secret.id)) return std::unexpected("the shared key's id must be printable");
  const auto* owners = request.find_list("owners");
  for (const auto& owner : owners != nullptr ? *owners : List{}) {
    auto identity = parse_identity(owner);
    if (!identity)
      return std::unexpected(
          fmt::format("parsing shared key owners failed: {} is no identity", quoted(owner)));
    secret.owners.push_back(std::move(*identity));
  }
  return secret;
}

}  // namespace culvert::vici
