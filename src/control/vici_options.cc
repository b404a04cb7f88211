// The tables of options. A row without a setter is an option that charon has and Culvert has not:
// it may be given with the default that charon documents, and with nothing else.
#include "control/vici_options.h"

#include <fmt/format.h>

#include <limits>

#include "control/vici_values.h"

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

Outcome set_auth(AuthDraft& draft, std::string_view text) {
  if (!equal_without_case(text, "psk"))
    return expected_form("supported by Culvert yet, only psk is");
  draft.config.kind = AuthKind::psk;
  draft.authenticated = true;
  return {};
}

Outcome set_id(AuthDraft& draft, std::string_view text) {
  auto identity = parse_identity(text);
  if (!identity) return expected_form("an identity such as gw.example.org, 192.0.2.1 or @#6b6579");
  draft.config.id = std::move(*identity);
  return {};
}

Outcome set_mode(ChildDraft& draft, std::string_view text) {
  for (const std::string_view missing : {"transport", "transport_proxy", "beet"})
    if (equal_without_case(text, missing))
      return expected_form("supported by Culvert yet, only tunnel, pass and drop are");
  constexpr Word<Mode> kWords[] = {
      {"tunnel", Mode::tunnel}, {"pass", Mode::pass}, {"drop", Mode::drop}};
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
    {"vips", nullptr, "", true},
    {"pools", nullptr, "", true},
    {"aggressive", nullptr, "no"},
    {"pull", nullptr, "yes"},
    {"dscp", nullptr, "000000"},
    {"childless", nullptr, "allow"},
    {"send_cert", nullptr, "ifasked"},
    {"ppk_id", nullptr, ""},
    {"ppk_required", nullptr, "no"},
    {"if_id_in", nullptr, "0"},
    {"if_id_out", nullptr, "0"},
    {"mediation", nullptr, "no"},
    {"mediated_by", nullptr, ""},
    {"mediation_peer", nullptr, ""},
};

constexpr Option<AuthDraft> kAuthOptions[] = {
    {"auth", set_auth},
    {"id", set_id},
    {"round", nullptr, "0"},
    {"certs", nullptr, "", true},
    {"cacerts", nullptr, "", true},
    {"pubkeys", nullptr, "", true},
    {"groups", nullptr, "", true},
    {"cert_policy", nullptr, "", true},
    {"eap_id", nullptr, ""},
    {"aaa_id", nullptr, ""},
    {"xauth_id", nullptr, ""},
    {"ca_id", nullptr, ""},
    {"revocation", nullptr, "relaxed"},
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
    {"ah_proposals", nullptr, "", true},
    {"sha256_96", nullptr, "no"},
    {"updown", nullptr, ""},
    {"hostaccess", nullptr, "no"},
    {"policies_fwd_out", nullptr, "no"},
    {"ipcomp", nullptr, "no"},
    {"interface", nullptr, ""},
    {"mark_in", nullptr, "0"},
    {"mark_in_sa", nullptr, "no"},
    {"mark_out", nullptr, "0"},
    {"set_mark_in", nullptr, "0"},
    {"set_mark_out", nullptr, "0"},
    {"if_id_in", nullptr, "0"},
    {"if_id_out", nullptr, "0"},
    {"label", nullptr, ""},
    {"label_mode", nullptr, "system"},
    {"tfc_padding", nullptr, "0"},
    {"copy_df", nullptr, "yes"},
    {"copy_ecn", nullptr, "yes"},
    {"copy_dscp", nullptr, "out"},
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
