// The tables of options. A row without a setter is an option that charon has and Culvert has not:
// it may be given with the default that charon documents, and with nothing else.
#include "control/vici_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/limits.h"
#include "control/vici_values.h"
#include "crypto/signature.h"
#include "eap/packet.h"
#include "pki/certificate_file.h"

namespace culvert::vici {

namespace {

using Outcome = std::expected<void, std::string>;

Outcome expected_form(std::string_view form) { return std::unexpected(std::string(form)); }

template <auto Member, class T>
Outcome set_bool(T& draft, std::string_view text) {
  const auto value = parse_bool(text);
  if (!value) return expected_form("yes or no");
  draft.config.*Member = *value;
  return {};
}

template <auto Member, class T>
Outcome set_number(T& draft, std::string_view text) {
  using Number = std::remove_reference_t<decltype(draft.config.*Member)>;
  const auto value = parse_number(text);
  if (!value || *value > std::numeric_limits<Number>::max())
    return expected_form(fmt::format("a number from 0 to {}", std::numeric_limits<Number>::max()));
  draft.config.*Member = static_cast<Number>(*value);
  return {};
}

constexpr std::size_t kMaxInterfaceName = 15;     // Linux's IFNAMSIZ, without the final zero
constexpr std::uint64_t kMaxPaddedSize = 65'535;  // no packet is longer

constexpr std::string_view kTimeForm = "a time such as 30s, 5m, 4h or 1d";

template <auto Member, class T>
Outcome set_time(T& draft, std::string_view text) {
  const auto value = parse_time(text);
  if (!value) return expected_form(kTimeForm);
  draft.config.*Member = *value;
  return {};
}

template <auto Member, class T>
Outcome draft_time(T& draft, std::string_view text) {
  draft.*Member = parse_time(text);
  return draft.*Member ? Outcome{} : expected_form(kTimeForm);
}

template <auto Member>
Outcome draft_octets(ChildDraft& draft, std::string_view text) {
  draft.*Member = parse_octets(text);
  return draft.*Member ? Outcome{} : expected_form("a number of bytes such as 500M or 1G");
}

template <auto Member>
Outcome draft_packets(ChildDraft& draft, std::string_view text) {
  draft.*Member = parse_number(text);
  return draft.*Member ? Outcome{} : expected_form("a number of packets");
}

template <class T>
struct Word {
  std::string_view name;
  T value;
};

template <class T, std::size_t N>
Outcome set_word(T& target, std::string_view text, const Word<T> (&words)[N]) {
  std::string names;
  for (const auto& word : words) {
    if (equal_without_case(word.name, text)) {
      target = word.value;
      return {};
    }
    names += fmt::format("{}{}", names.empty() ? "one of " : ", ", word.name);
  }
  return expected_form(names);
}

Outcome add_proposal(std::vector<Proposal>& to, std::string_view text, wire::ProtocolId protocol) {
  if (equal_without_case(text, "default")) {
    for (auto& proposal : default_proposals(protocol)) to.push_back(std::move(proposal));
    return {};
  }
  auto proposal = parse_proposal(text, protocol);
  if (!proposal) {
    const auto& [message, suggestion] = proposal.error();
    return expected_form(
        fmt::format("a proposal: {}{}", printable(message),
                    suggestion.empty() ? "" : fmt::format(" (did you mean {}?)", suggestion)));
  }
  to.push_back(std::move(*proposal));
  return {};
}

template <auto Member>
Outcome add_address(ConnectionDraft& draft, std::string_view text) {
  auto pattern = parse_address_pattern(text);
  if (!pattern) return expected_form("an address, a range, a subnet, a host name or %any");
  (draft.config.*Member).push_back(std::move(*pattern));
  return {};
}

template <auto Member>
Outcome add_selector(ChildDraft& draft, std::string_view text) {
  const auto selector = parse_selector(text);
  if (!selector)
    return expected_form("a selector such as 10.1.0.0/16, 10.1.0.0/16[tcp/80] or dynamic");
  (draft.config.*Member).push_back(*selector);
  return {};
}

Outcome add_vip(ConnectionDraft& draft, std::string_view text) {
  auto& vips = draft.config.vips;
  const auto address = IpAddress::parse(text);
  const bool v6 = equal_without_case(text, "%any6") || equal_without_case(text, "%config6");
  const bool v4 = equal_without_case(text, "%any") || equal_without_case(text, "%config") ||
                  equal_without_case(text, "%any4") || equal_without_case(text, "%config4");
  if (!address && !v4 && !v6) return expected_form("an address, 0.0.0.0 or ::");
  if (vips.size() == limits::kMaxAssignedAddresses)
    return expected_form(fmt::format("one of up to {}", limits::kMaxAssignedAddresses));
  vips.push_back(address ? *address : IpAddress::any(v6 ? Family::v6 : Family::v4));
  return {};
}

Outcome add_pool(ConnectionDraft& draft, std::string_view text) {
  if (!is_printable(text) || text.empty()) return expected_form("the name of a pool");
  draft.config.pools.emplace_back(text);
  return {};
}

Outcome set_version(ConnectionDraft& draft, std::string_view text) {
  const auto version = parse_number(text);
  if (version == 1u) return expected_form("supported by Culvert yet, only 0 and 2 are");
  if (!version || *version > 2) return expected_form("0 or 2");
  draft.config.version = static_cast<std::uint8_t>(*version);
  return {};
}

Outcome set_encap(ConnectionDraft& draft, std::string_view text) {
  const auto value = parse_bool(text);
  if (!value) return expected_form("yes or no");
  draft.config.encap = *value ? Encap::always : Encap::automatic;
  return {};
}

// IKEv2 detects dead peers by retransmission, so charon has no use for it either.
Outcome check_dpd_timeout(ConnectionDraft&, std::string_view text) {
  return parse_time(text) ? Outcome{} : expected_form(kTimeForm);
}

Outcome set_fragmentation(ConnectionDraft& draft, std::string_view text) {
  // "force" differs from "yes" for IKEv1 alone.
  constexpr Word<Fragmentation> kWords[] = {{"yes", Fragmentation::yes},
                                            {"accept", Fragmentation::accept},
                                            {"force", Fragmentation::yes},
                                            {"no", Fragmentation::no}};
  return set_word(draft.config.fragmentation, text, kWords);
}

Outcome set_unique(ConnectionDraft& draft, std::string_view text) {
  constexpr Word<Unique> kWords[] = {{"no", Unique::no},
                                     {"never", Unique::never},
                                     {"keep", Unique::keep},
                                     {"replace", Unique::replace}};
  return set_word(draft.config.unique, text, kWords);
}

Outcome set_childless(ConnectionDraft& draft, std::string_view text) {
  constexpr Word<Childless> kWords[] = {{"allow", Childless::allow},
                                        {"prefer", Childless::prefer},
                                        {"force", Childless::force},
                                        {"never", Childless::never}};
  return set_word(draft.config.childless, text, kWords);
}

Outcome set_dscp(ConnectionDraft& draft, std::string_view text) {
  if (text.size() != 6 || text.find_first_not_of("01") != std::string_view::npos)
    return expected_form("six binary digits such as 101110");
  draft.config.dscp = 0;
  for (const char digit : text)
    draft.config.dscp = static_cast<std::uint8_t>(draft.config.dscp << 1 | (digit - '0'));
  return {};
}

template <auto Member, class T>
Outcome set_if_id(T& draft, std::string_view text) {
  if (equal_without_case(text, "%unique")) {
    draft.config.*Member = kUnique;
    return {};
  }
  if (equal_without_case(text, "%unique-dir")) {
    draft.config.*Member = kUniquePerDirection;
    return {};
  }
  return set_number<Member>(draft, text);
}

constexpr eap::Type kEapMethods[] = {eap::kMd5, eap::kMschapv2, eap::kGtc,
                                     eap::kTls, eap::kTtls,     eap::kPeap,
                                     eap::kSim, eap::kAka,      eap::kAkaPrime};

Outcome set_auth(AuthDraft& draft, std::string_view text) {
  constexpr std::string_view kEap = "eap-";
  draft.config.eap_methods.clear();
  draft.config.aaa.reset();
  if (equal_without_case(text.substr(0, kEap.size()), kEap)) {
    const auto method = text.substr(kEap.size());
    draft.config.kind = AuthKind::eap;
    if (equal_without_case(method, "dynamic")) return {};
    if (equal_without_case(method, "radius")) {
      draft.config.aaa = "";
      return {};
    }
    const auto type = eap::parse_type(method);
    if (!type || std::ranges::find(kEapMethods, *type) == std::end(kEapMethods))
      return expected_form(
          "an EAP method of Culvert, which are tls, ttls, peap, mschapv2, md5, gtc, sim, aka, "
          "aka-prime and radius");
    draft.config.eap_methods.emplace_back(method);
    return {};
  }
  constexpr Word<AuthKind> kWords[] = {
      {"psk", AuthKind::psk}, {"pubkey", AuthKind::pubkey}, {"eap", AuthKind::eap}};
  if (auto set = set_word(draft.config.kind, text, kWords); !set)
    return expected_form("supported by Culvert, only pubkey, psk, eap and eap-METHOD are");
  return {};
}

// A file with certificates, PEM or DER.
template <auto Member>
Outcome add_certificates(AuthDraft& draft, std::string_view text) {
  const auto certificates = pki::certificates_in(as_bytes(text));
  if (!certificates) return expected_form("a certificate in PEM or DER");
  for (const Bytes& der : *certificates)
    (draft.config.*Member).push_back({std::make_shared<const Bytes>(der)});
  return {};
}

Outcome add_public_keys(AuthDraft& draft, std::string_view text) {
  const auto keys = pki::public_keys_in(as_bytes(text));
  for (const Bytes& spki : keys.value_or(std::vector<Bytes>{})) {
    if (!parse_public_key(spki)) return expected_form("a public key of a kind that we verify");
    draft.config.pubkeys.push_back({std::make_shared<const Bytes>(spki)});
  }
  if (!keys) return expected_form("a public key in PEM or DER");
  return {};
}

template <auto Member>
Outcome set_optional_id(AuthDraft& draft, std::string_view text) {
  draft.config.*Member = parse_identity(text);
  if (!(draft.config.*Member)) return expected_form("an identity, or %any");
  return {};
}

Outcome add_group(AuthDraft& draft, std::string_view text) {
  draft.config.groups.emplace_back(text);
  return {};
}

Outcome set_revocation(AuthDraft& draft, std::string_view text) {
  constexpr Word<Revocation> kWords[] = {{"relaxed", Revocation::relaxed},
                                         {"ifuri", Revocation::if_uri},
                                         {"strict", Revocation::strict}};
  return set_word(draft.config.revocation, text, kWords);
}

Outcome set_send_cert(ConnectionDraft& draft, std::string_view text) {
  constexpr Word<SendCert> kWords[] = {{"always", SendCert::always},
                                       {"yes", SendCert::always},
                                       {"ifasked", SendCert::if_asked},
                                       {"never", SendCert::never},
                                       {"no", SendCert::never}};
  return set_word(draft.config.send_cert, text, kWords);
}

Outcome set_id(AuthDraft& draft, std::string_view text) {
  auto identity = parse_identity(text);
  if (!identity) return expected_form("an identity such as gw.example.org, 192.0.2.1 or @#6b6579");
  draft.config.id = std::move(*identity);
  return {};
}

Outcome set_mode(ChildDraft& draft, std::string_view text) {
  for (const std::string_view missing : {"transport_proxy", "beet"})
    if (equal_without_case(text, missing))
      return expected_form("supported by Culvert, only tunnel, transport, pass and drop are");
  constexpr Word<Mode> kWords[] = {{"tunnel", Mode::tunnel},
                                   {"transport", Mode::transport},
                                   {"pass", Mode::pass},
                                   {"drop", Mode::drop}};
  return set_word(draft.config.mode, text, kWords);
}

Outcome set_start_action(ChildDraft& draft, std::string_view text) {
  constexpr Word<StartAction> kWords[] = {{"none", StartAction::none},
                                          {"clear", StartAction::none},
                                          {"trap", StartAction::trap},
                                          {"route", StartAction::trap},
                                          {"start", StartAction::start},
                                          {"restart", StartAction::start},
                                          {"trap|start", StartAction::trap_and_start},
                                          {"start|trap", StartAction::trap_and_start}};
  return set_word(draft.config.start_action, text, kWords);
}

Outcome set_close_action(ChildDraft& draft, std::string_view text) {
  constexpr Word<CloseAction> kWords[] = {
      {"none", CloseAction::none},  {"clear", CloseAction::none},  {"trap", CloseAction::trap},
      {"route", CloseAction::trap}, {"start", CloseAction::start}, {"restart", CloseAction::start}};
  return set_word(draft.config.close_action, text, kWords);
}

Outcome set_dpd_action(ChildDraft& draft, std::string_view text) {
  constexpr Word<DpdAction> kWords[] = {{"clear", DpdAction::clear},   {"none", DpdAction::clear},
                                        {"trap", DpdAction::trap},     {"route", DpdAction::trap},
                                        {"restart", DpdAction::start}, {"start", DpdAction::start}};
  return set_word(draft.config.dpd_action, text, kWords);
}

Outcome check_hw_offload(ChildDraft&, std::string_view text) {
  // "auto" asks for it only where there is any.
  if (equal_without_case(text, "auto") || equal_without_case(text, "no")) return {};
  return expected_form("supported by Culvert, only no and auto are");
}

constexpr std::uint32_t kWholeMask = 0xffff'ffff;

// "VALUE[/MASK]"; `specials` have a value that is no mark of its own.
template <std::size_t N>
Outcome set_mark(Mark& mark, std::string_view text, const Word<std::uint32_t> (&specials)[N]) {
  const auto slash = std::min(text.find('/'), text.size());
  const auto value_text = text.substr(0, slash);
  const auto* special = std::ranges::find_if(
      specials, [&](const auto& word) { return equal_without_case(word.name, value_text); });
  const bool is_special = special != std::end(specials);
  const auto value =
      is_special ? std::optional<std::uint64_t>(special->value) : parse_number(value_text);
  const auto mask = slash == text.size() ? std::optional<std::uint64_t>(kWholeMask)
                                         : parse_number(text.substr(slash + 1));
  if (!value || !mask || *value > kWholeMask || *mask > kWholeMask)
    return expected_form(fmt::format("a mark such as 42, 0x2a/0xff or {}", specials[0].name));
  mark.mask = static_cast<std::uint32_t>(*mask);
  mark.value = static_cast<std::uint32_t>(is_special ? *value : *value & *mask);
  return {};
}

template <auto Member>
Outcome match_mark(ChildDraft& draft, std::string_view text) {
  constexpr Word<std::uint32_t> kSpecials[] = {{"%unique", kUnique},
                                               {"%unique-dir", kUniquePerDirection}};
  return set_mark(draft.config.*Member, text, kSpecials);
}

template <auto Member>
Outcome give_mark(ChildDraft& draft, std::string_view text) {
  constexpr Word<std::uint32_t> kSpecials[] = {{"%same", kSameMark}};
  return set_mark(draft.config.*Member, text, kSpecials);
}

Outcome set_tfc_padding(ChildDraft& draft, std::string_view text) {
  if (equal_without_case(text, "mtu")) {
    draft.config.tfc_padding = kPadToMtu;
    return {};
  }
  const auto value = parse_number(text);
  if (!value || *value > kMaxPaddedSize)
    return expected_form(fmt::format("mtu or a number of bytes up to {}", kMaxPaddedSize));
  draft.config.tfc_padding = static_cast<std::uint32_t>(*value);
  return {};
}

Outcome set_copy_dscp(ChildDraft& draft, std::string_view text) {
  constexpr Word<CopyDscp> kWords[] = {
      {"out", CopyDscp::out}, {"in", CopyDscp::in}, {"yes", CopyDscp::yes}, {"no", CopyDscp::no}};
  return set_word(draft.config.copy_dscp, text, kWords);
}

template <auto Member>
Outcome set_text(ChildDraft& draft, std::string_view text) {
  if (!is_printable(text)) return expected_form("printable text");
  draft.config.*Member = text;
  return {};
}

Outcome set_interface(ChildDraft& draft, std::string_view text) {
  if (text.size() > kMaxInterfaceName)
    return expected_form(
        fmt::format("the name of an interface, at most {} characters", kMaxInterfaceName));
  return set_text<&ChildConfig::interface>(draft, text);
}

Outcome add_ah_proposal(ChildDraft& draft, std::string_view text) {
  return add_proposal(draft.config.proposals, text, wire::ProtocolId::ah);
}

Outcome add_ike_proposal(ConnectionDraft& draft, std::string_view text) {
  return add_proposal(draft.config.proposals, text, wire::ProtocolId::ike);
}

Outcome add_esp_proposal(ChildDraft& draft, std::string_view text) {
  return add_proposal(draft.config.proposals, text, wire::ProtocolId::esp);
}

using Connection = ConnectionConfig;
using Child = ChildConfig;

constexpr Option<ConnectionDraft> kConnectionOptions[] = {
    {"version", set_version},
    {"local_addrs", add_address<&Connection::local_addrs>, {}, true},
    {"remote_addrs", add_address<&Connection::remote_addrs>, {}, true},
    {"local_port", set_number<&Connection::local_port, ConnectionDraft>},
    {"remote_port", set_number<&Connection::remote_port, ConnectionDraft>},
    {"proposals", add_ike_proposal, {}, true},
    {"encap", set_encap},
    {"mobike", set_bool<&Connection::mobike, ConnectionDraft>},
    {"dpd_delay", set_time<&Connection::dpd_delay, ConnectionDraft>},
    {"dpd_timeout", check_dpd_timeout},
    {"fragmentation", set_fragmentation},
    {"send_certreq", set_bool<&Connection::send_certreq, ConnectionDraft>},
    {"keyingtries", set_number<&Connection::keyingtries, ConnectionDraft>},
    {"unique", set_unique},
    {"reauth_time", draft_time<&ConnectionDraft::reauth_time, ConnectionDraft>},
    {"rekey_time", draft_time<&ConnectionDraft::rekey_time, ConnectionDraft>},
    {"over_time", draft_time<&ConnectionDraft::over_time, ConnectionDraft>},
    {"rand_time", draft_time<&ConnectionDraft::rand_time, ConnectionDraft>},
    {"vips", add_vip, {}, true},
    {"pools", add_pool, {}, true},
    {"aggressive", nullptr, "no"},
    {"pull", nullptr, "yes"},
    {"dscp", set_dscp},
    {"childless", set_childless},
    {"send_cert", set_send_cert},
    {"ppk_id", nullptr, ""},
    {"ppk_required", nullptr, "no"},
    {"if_id_in", set_if_id<&Connection::if_id_in, ConnectionDraft>},
    {"if_id_out", set_if_id<&Connection::if_id_out, ConnectionDraft>},
    {"mediation", nullptr, "no"},
    {"mediated_by", nullptr, ""},
    {"mediation_peer", nullptr, ""},
};

constexpr Option<AuthDraft> kAuthOptions[] = {
    {"auth", set_auth},
    {"id", set_id},
    {"round", nullptr, "0"},
    {"certs", add_certificates<&AuthConfig::certs>, "", true},
    {"cacerts", add_certificates<&AuthConfig::cacerts>, "", true},
    {"pubkeys", add_public_keys, "", true},
    {"groups", add_group, "", true},
    {"cert_policy", nullptr, "", true},
    {"eap_id", set_optional_id<&AuthConfig::eap_id>},
    {"aaa_id", set_optional_id<&AuthConfig::aaa_id>},
    {"xauth_id", nullptr, ""},
    {"ca_id", nullptr, ""},
    {"revocation", set_revocation},
};

constexpr Option<ChildDraft> kChildOptions[] = {
    {"esp_proposals", add_esp_proposal, {}, true},
    {"local_ts", add_selector<&Child::local>, {}, true},
    {"remote_ts", add_selector<&Child::remote>, {}, true},
    {"rekey_time", draft_time<&ChildDraft::rekey_time, ChildDraft>},
    {"life_time", draft_time<&ChildDraft::life_time, ChildDraft>},
    {"rand_time", draft_time<&ChildDraft::rand_time, ChildDraft>},
    {"rekey_bytes", draft_octets<&ChildDraft::rekey_bytes>},
    {"life_bytes", draft_octets<&ChildDraft::life_bytes>},
    {"rand_bytes", draft_octets<&ChildDraft::rand_bytes>},
    {"rekey_packets", draft_packets<&ChildDraft::rekey_packets>},
    {"life_packets", draft_packets<&ChildDraft::life_packets>},
    {"rand_packets", draft_packets<&ChildDraft::rand_packets>},
    {"mode", set_mode},
    {"policies", set_bool<&Child::policies, ChildDraft>},
    {"dpd_action", set_dpd_action},
    {"start_action", set_start_action},
    {"close_action", set_close_action},
    {"inactivity", set_time<&Child::inactivity, ChildDraft>},
    {"reqid", set_number<&Child::reqid, ChildDraft>},
    {"priority", set_number<&Child::priority, ChildDraft>},
    {"replay_window", set_number<&Child::replay_window, ChildDraft>},
    {"hw_offload", check_hw_offload},
    {"ah_proposals", add_ah_proposal, {}, true},
    {"sha256_96", nullptr, "no"},
    {"updown", set_text<&Child::updown>},
    {"hostaccess", set_bool<&Child::hostaccess, ChildDraft>},
    {"policies_fwd_out", nullptr, "no"},
    {"ipcomp", set_bool<&Child::ipcomp, ChildDraft>},
    {"interface", set_interface},
    {"mark_in", match_mark<&Child::mark_in>},
    {"mark_in_sa", set_bool<&Child::mark_in_sa, ChildDraft>},
    {"mark_out", match_mark<&Child::mark_out>},
    {"set_mark_in", give_mark<&Child::set_mark_in>},
    {"set_mark_out", give_mark<&Child::set_mark_out>},
    {"if_id_in", set_if_id<&Child::if_id_in, ChildDraft>},
    {"if_id_out", set_if_id<&Child::if_id_out, ChildDraft>},
    {"label", nullptr, ""},
    {"label_mode", nullptr, "system"},
    {"tfc_padding", set_tfc_padding},
    {"copy_df", set_bool<&Child::copy_df, ChildDraft>},
    {"copy_ecn", set_bool<&Child::copy_ecn, ChildDraft>},
    {"copy_dscp", set_copy_dscp},
};

}  // namespace

std::span<const Option<ConnectionDraft>> connection_options() { return kConnectionOptions; }
std::span<const Option<ChildDraft>> child_options() { return kChildOptions; }
std::span<const Option<AuthDraft>> auth_options() { return kAuthOptions; }

std::string quoted_name(std::string_view name) {
  auto text = quoted(name);
  return text.substr(1, text.size() - 2);
}

}  // namespace culvert::vici
