// Status messages. A field that charon leaves out when it does not apply is left out here too.
#include "control/vici_status.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <malloc.h>
#include <sys/utsname.h>

#include "policy/proposal.h"
#include "trace/render.h"

namespace culvert::vici {

namespace {

std::string seconds(Duration duration) {
  return fmt::format("{}", std::chrono::duration_cast<std::chrono::seconds>(duration).count());
}

std::string_view mode_name(Mode mode) {
  switch (mode) {
    case Mode::tunnel:
      return "TUNNEL";
    case Mode::transport:
      return "TRANSPORT";
    case Mode::beet:
      return "BEET";
    case Mode::pass:
      return "PASS";
    case Mode::drop:
      return "DROP";
  }
  return {};
}

template <class Selectors>
List texts(const Selectors& selectors) {
  List list;
  for (const auto& selector : selectors) list.push_back(to_string(selector));
  return list;
}

void add_cipher(const CipherSpec& cipher, Section& to) {
  if (cipher.encr != Encr::none) to.add("encr-alg", vici_name(cipher.encr));
  if (cipher.key_bits != 0) to.add("encr-keysize", fmt::format("{}", cipher.key_bits));
  if (cipher.integ != Integ::none) to.add("integ-alg", vici_name(cipher.integ));
}

void add_condition(std::string_view name, bool holds, Section& to) {
  if (holds) to.add(name, "yes");
}

void add_if_ids(std::uint32_t in, std::uint32_t out, Section& to) {
  if (in != 0) to.add("if-id-in", fmt::format("{:08x}", in));
  if (out != 0) to.add("if-id-out", fmt::format("{:08x}", out));
}

void add_mark(std::string_view direction, const Mark& mark, Section& to) {
  if (!mark) return;
  to.add(fmt::format("mark-{}", direction), fmt::format("{:08x}", mark.value));
  if (mark.mask != 0xffff'ffff)
    to.add(fmt::format("mark-mask-{}", direction), fmt::format("{:08x}", mark.mask));
}

void add_tasks(std::string_view name, const std::vector<std::string>& tasks, Section& to) {
  if (!tasks.empty()) to.add_list(name, tasks);
}

void add_vips(std::string_view name, const std::vector<IpAddress>& addresses, Section& to) {
  List texts;
  for (const IpAddress& address : addresses) texts.push_back(address.to_string());
  if (!texts.empty()) to.add_list(name, std::move(texts));
}

void list_ike(const IkeSaStatus& sa, TimePoint now, Section& to) {
  to.add("uniqueid", fmt::format("{}", sa.unique_id))
      .add("version", fmt::format("{}", sa.version))
      .add("state", sa.state)
      .add("local-host", sa.local.address.to_string())
      .add("local-port", fmt::format("{}", sa.local.port))
      .add("local-id", sa.local_id)
      .add("remote-host", sa.remote.address.to_string())
      .add("remote-port", fmt::format("{}", sa.remote.port))
      .add("remote-id", sa.remote_id);
  if (!sa.local_eap_id.empty()) to.add("local-eap-id", sa.local_eap_id);
  if (!sa.remote_eap_id.empty()) to.add("remote-eap-id", sa.remote_eap_id);
  add_condition("initiator", sa.initiator, to);
  to.add("initiator-spi", fmt::format("{:016x}", sa.spi_i))
      .add("responder-spi", fmt::format("{:016x}", sa.spi_r));
  add_condition("nat-local", sa.nat_local, to);
  add_condition("nat-remote", sa.nat_remote, to);
  add_condition("nat-fake", sa.nat_fake, to);
  add_condition("nat-any", sa.nat_local || sa.nat_remote || sa.nat_fake, to);
  add_if_ids(sa.if_id_in, sa.if_id_out, to);
  add_cipher(sa.suite.cipher, to);
  if (sa.suite.prf != Prf::none) to.add("prf-alg", vici_name(sa.suite.prf));
  if (sa.suite.ke != Ke::none) to.add("dh-group", vici_name(sa.suite.ke));
  if (sa.state == "ESTABLISHED" && sa.established != kNever) {
    to.add("established", seconds(now - sa.established));
    if (sa.rekey_at != kNever) to.add("rekey-time", seconds(sa.rekey_at - now));
    if (sa.reauth_at != kNever) to.add("reauth-time", seconds(sa.reauth_at - now));
  }
  add_vips("local-vips", sa.local_vips, to);
  add_vips("remote-vips", sa.remote_vips, to);
  add_tasks("tasks-queued", sa.tasks_queued, to);
  add_tasks("tasks-active", sa.tasks_active, to);
  add_tasks("tasks-passive", sa.tasks_passive, to);
}

void add_counters(std::string_view direction, const SaCounters& counters, TimePoint now,
                  Section& to) {
  to.add(fmt::format("bytes-{}", direction), fmt::format("{}", counters.bytes));
  to.add(fmt::format("packets-{}", direction), fmt::format("{}", counters.packets));
  if (counters.last_used != TimePoint::min())
    to.add(fmt::format("use-{}", direction), seconds(now - counters.last_used));
}

void list_installed(const ChildSaStatus& child, TimePoint now, const CounterQuery& counters,
                    Section& to) {
  to.add("protocol", child.protocol == IpsecProtocol::esp ? "ESP" : "AH");
  add_condition("encap", child.udp_encap, to);
  to.add("spi-in", fmt::format("{:08x}", child.spi_in))
      .add("spi-out", fmt::format("{:08x}", child.spi_out));
  if (child.cpi_in != 0)
    to.add("cpi-in", fmt::format("{:04x}", child.cpi_in))
        .add("cpi-out", fmt::format("{:04x}", child.cpi_out));
  add_mark("in", child.mark_in, to);
  add_mark("out", child.mark_out, to);
  add_if_ids(child.if_id_in, child.if_id_out, to);
  add_cipher(child.suite.cipher, to);
  if (child.suite.ke != Ke::none) to.add("dh-group", vici_name(child.suite.ke));
  if (child.suite.esn == Esn::yes) to.add("esn", "1");
  const auto used = counters(child.pair).value_or(SaPairCounters{});
  add_counters("in", used.in, now, to);
  add_counters("out", used.out, now, to);
  if (child.rekey_at != kNever) to.add("rekey-time", seconds(child.rekey_at - now));
  if (child.expires_at != kNever) to.add("life-time", seconds(child.expires_at - now));
  to.add("install-time", seconds(now - child.installed));
}

void list_child(const ChildSaStatus& child, TimePoint now, const CounterQuery& counters,
                Section& to) {
  to.add("name", child.name)
      .add("uniqueid", fmt::format("{}", child.unique_id))
      .add("reqid", fmt::format("{}", child.reqid))
      .add("state", child.state)
      .add("mode", std::string(mode_name(child.mode)));
  if (child.state != "CREATED") list_installed(child, now, counters, to);
  to.add_list("local-ts", texts(child.local_ts)).add_list("remote-ts", texts(child.remote_ts));
}

void add_child(const ChildSaStatus& child, TimePoint now, const CounterQuery& counters,
               Section& children) {
  list_child(child, now, counters,
             children.add_section(fmt::format("{}-{}", child.name, child.unique_id)));
}

std::string_view class_name(AuthKind kind) {
  switch (kind) {
    case AuthKind::psk:
      return "pre-shared key";
    case AuthKind::pubkey:
      return "public key";
    case AuthKind::eap:
      return "EAP";
    case AuthKind::null:
      return "NULL";
  }
  return {};
}

// A carrier of shunts has no authentication, and so no class.
void add_auth(std::string_view name, const AuthConfig& auth, bool has_class, Section& to) {
  auto& section = to.add_section(name);
  if (has_class) section.add("class", std::string(class_name(auth.kind)));
  if (!auth.id.is_any()) section.add("id", to_string(auth.id));
  section.add_list("groups", auth.groups).add_list("cert_policy", {});
  section.add_list("certs", {}).add_list("cacerts", {});
}

std::string_view unique_name(Unique unique) {
  switch (unique) {
    case Unique::no:
      return "UNIQUE_NO";
    case Unique::never:
      return "UNIQUE_NEVER";
    case Unique::keep:
      return "UNIQUE_KEEP";
    case Unique::replace:
      return "UNIQUE_REPLACE";
  }
  return {};
}

std::string_view version_name(std::uint8_t version) {
  return version == 0 ? "IKEv1/2" : version == 1 ? "IKEv1" : "IKEv2";
}

// One name for two enumerations that mean the same.
template <class Action>
std::string_view action_name(Action action) {
  if (action == Action::trap) return "trap";
  return action == Action::start ? "start" : "none";
}

List addresses(const std::vector<AddressPattern>& patterns) {
  return patterns.empty() ? List{"%any"} : texts(patterns);
}

void list_child_config(const ChildConfig& child, Section& children) {
  auto& to = children.add_section(child.name);
  to.add("mode", std::string(mode_name(child.mode)))
      .add("rekey_time", seconds(child.lifetime.rekey_time))
      .add("rekey_bytes", fmt::format("{}", child.lifetime.rekey_bytes))
      .add("rekey_packets", fmt::format("{}", child.lifetime.rekey_packets))
      .add("dpd_action", std::string(action_name(child.dpd_action)))
      .add("close_action", std::string(action_name(child.close_action)))
      .add_list("local-ts", texts(child.local))
      .add_list("remote-ts", texts(child.remote));
  if (!child.interface.empty()) to.add("interface", child.interface);
  if (child.priority != 0) to.add("priority", fmt::format("{}", child.priority));
}

template <class Algorithm>
void add_algorithms(std::string_view section, std::initializer_list<Algorithm> algorithms,
                    const std::function<bool(Algorithm)>& supported, Message& to) {
  auto& names = to.add_section(section);
  for (const auto algorithm : algorithms)
    if (supported(algorithm)) names.add(vici_name(algorithm), "openssl");
}

}  // namespace

Message list_sa_event(const IkeSaStatus& sa, const ChildFilter& filter, TimePoint now,
                      const CounterQuery& counters) {
  Message event;
  auto& section = event.add_section(sa.name);
  list_ike(sa, now, section);
  auto& children = section.add_section("child-sas");
  for (const auto& child : sa.children)
    if (filter.fits(child)) add_child(child, now, counters, children);
  return event;
}

Message updown_event(const UpDown& change, TimePoint now, const CounterQuery& counters) {
  Message event;
  add_condition("up", change.up, event);
  auto& section = event.add_section(change.sa.name);
  list_ike(change.sa, now, section);
  if (change.child && *change.child < change.sa.children.size())
    add_child(change.sa.children[*change.child], now, counters, section.add_section("child-sas"));
  return event;
}

std::string_view name_of(const SaNews& news) {
  constexpr std::string_view kNames[] = {"ike-rekey", "child-rekey", "ike-update"};
  static_assert(std::variant_size_v<SaNews> == std::size(kNames));
  return kNames[news.index()];
}

Message news_event(const SaNews& news, TimePoint now, const CounterQuery& counters) {
  Message event;
  if (const auto* ike = std::get_if<IkeSaRekeyed>(&news)) {
    auto& section = event.add_section(ike->successor.name);
    list_ike(ike->old, now, section.add_section("old"));
    list_ike(ike->successor, now, section.add_section("new"));
  } else if (const auto* child = std::get_if<ChildSaRekeyed>(&news)) {
    auto& section = event.add_section(child->sa.name);
    list_ike(child->sa, now, section);
    const auto& old = child->sa.children.front();
    auto& both = section.add_section("child-sas").add_section(old.name);
    list_child(old, now, counters, both.add_section("old"));
    list_child(child->sa.children.back(), now, counters, both.add_section("new"));
  } else {
    const auto& changing = std::get<EndpointsChanging>(news);
    event.add("local-host", changing.local.address.to_string())
        .add("local-port", fmt::format("{}", changing.local.port))
        .add("remote-host", changing.remote.address.to_string())
        .add("remote-port", fmt::format("{}", changing.remote.port));
    list_ike(changing.sa, now, event.add_section(changing.sa.name));
  }
  return event;
}

Message alert_event(const trace::Event& event) {
  const auto& subject = event.subject;
  Message message;
  message.add("type", std::string(trace::info_of(event).name));
  if (!subject.connection.empty()) message.add("ike", subject.connection);
  if (!subject.child.empty()) message.add("child", subject.child);
  if (subject.ike_unique_id != 0) message.add("uniqueid", fmt::format("{}", subject.ike_unique_id));
  message.add("remote-host", subject.remote.address.to_string())
      .add("msg", trace::sentence_of(event));
  return message;
}

Message list_conn_event(const ConnectionConfig& connection) {
  Message event;
  auto& to = event.add_section(connection.name);
  to.add_list("local_addrs", addresses(connection.local_addrs))
      .add_list("remote_addrs", addresses(connection.remote_addrs))
      .add("version", std::string(version_name(connection.version)))
      .add("reauth_time", seconds(connection.reauth_time))
      .add("rekey_time", seconds(connection.rekey_time))
      .add("unique", std::string(unique_name(connection.unique)));
  if (connection.dpd_delay > Duration{}) to.add("dpd_delay", seconds(connection.dpd_delay));
  const bool has_class = !connection.has_only_shunts();
  add_auth("local-1", connection.local, has_class, to);
  add_auth("remote-1", connection.remote, has_class, to);
  auto& children = to.add_section("children");
  for (const auto& child : connection.children) list_child_config(child, children);
  return event;
}

Message list_policy_event(const PolicyStatus& policy) {
  Message event;
  event.add_section(policy.connection + "/" + policy.child)
      .add("child", policy.child)
      .add("ike", policy.connection)
      .add("mode", std::string(mode_name(policy.mode)))
      .add_list("local-ts", texts(policy.local_ts))
      .add_list("remote-ts", texts(policy.remote_ts));
  return event;
}

unsigned log_level(const trace::Event& event) {
  const auto& info = trace::info_of(event);
  switch (info.level) {
    case trace::Level::error:
    case trace::Level::warning:
    case trace::Level::info:
      return 1;
    case trace::Level::debug:
      // charon shows which messages it sends and parses at level 1.
      return info.group == trace::Group::enc ? 1 : 2;
    case trace::Level::trace:
      return 3;
  }
  return 3;
}

Message log_event(const trace::Event& event) {
  const auto& subject = event.subject;
  Message message;
  message.add("group", std::string(trace::name_of(trace::info_of(event).group)))
      .add("level", fmt::format("{}", log_level(event)))
      .add("thread", "1");
  if (!subject.connection.empty()) message.add("ikesa-name", subject.connection);
  if (subject.ike_unique_id != 0)
    message.add("ikesa-uniqueid", fmt::format("{}", subject.ike_unique_id));
  message.add("msg", trace::sentence_of(event));
  return message;
}

Message version_response() {
  utsname system{};
  ::uname(&system);
  Message message;
  message.add("daemon", "culvertd")
      .add("version", CULVERT_VERSION)
      .add("sysname", system.sysname)
      .add("release", system.release)
      .add("machine", system.machine);
  return message;
}

std::string duration_text(std::chrono::seconds duration) {
  constexpr std::pair<std::chrono::seconds, std::string_view> kUnits[] = {
      {std::chrono::days(1), "days"},
      {std::chrono::hours(1), "hours"},
      {std::chrono::minutes(1), "minutes"}};
  for (const auto& [unit, name] : kUnits)
    if (duration > 2 * unit) return fmt::format("{} {}", duration / unit, name);
  return fmt::format("{} second{}", duration.count(), duration.count() == 1 ? "" : "s");
}

Message stats_response(const control::Backend& backend,
                       std::chrono::system_clock::time_point started) {
  const auto running =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now() - started);
  Message message;
  message.add_section("uptime")
      .add("running", duration_text(running))
      .add("since", fmt::format("{:%b %d %H:%M:%S %Y}",
                                fmt::localtime(std::chrono::system_clock::to_time_t(started))));
  auto& workers = message.add_section("workers");
  // The control thread is the one that is busy, with this very request.
  workers.add("total", fmt::format("{}", backend.threads()))
      .add("idle", fmt::format("{}", backend.threads() - 1));
  workers.add_section("active")
      .add("critical", "0")
      .add("high", "0")
      .add("medium", "1")
      .add("low", "0");
  message.add_section("queues")
      .add("critical", "0")
      .add("high", "0")
      .add("medium", "0")
      .add("low", "0");
  message.add("scheduled", "0");
  const auto statistics = backend.statistics();
  message.add_section("ikesas")
      .add("total", fmt::format("{}", statistics.ike_sas))
      .add("half-open", fmt::format("{}", statistics.half_open));
  message.add_list("plugins", {"openssl", "vici"});
  const auto memory = ::mallinfo2();
  message.add_section("mallinfo")
      .add("sbrk", fmt::format("{}", memory.arena))
      .add("mmap", fmt::format("{}", memory.hblkhd))
      .add("used", fmt::format("{}", memory.uordblks))
      .add("free", fmt::format("{}", memory.fordblks));
  return message;
}

Message algorithms_response(const Provider& provider) {
  // Integrity and key sizes that every implementation of the cipher has.
  const auto has_cipher = [&](Encr encr, Integ integ) {
    const std::uint16_t bits = encr == Encr::chacha20_poly1305 || encr == Encr::null ? 0 : 128;
    return provider.supports(CipherSpec{encr, bits, integ});
  };
  Message message;
  add_algorithms<Encr>(
      "encryption",
      {Encr::aes_cbc, Encr::aes_ctr, Encr::triple_des, Encr::camellia_cbc, Encr::null},
      [&](Encr encr) { return has_cipher(encr, Integ::hmac_sha1_96); }, message);
  add_algorithms<Integ>(
      "integrity",
      {Integ::hmac_md5_96, Integ::hmac_sha1_96, Integ::aes_xcbc_96, Integ::aes_cmac_96,
       Integ::hmac_sha2_256_128, Integ::hmac_sha2_384_192, Integ::hmac_sha2_512_256},
      [&](Integ integ) { return has_cipher(Encr::aes_cbc, integ); }, message);
  add_algorithms<Encr>(
      "aead",
      {Encr::aes_ccm_8, Encr::aes_ccm_12, Encr::aes_ccm_16, Encr::aes_gcm_8, Encr::aes_gcm_12,
       Encr::aes_gcm_16, Encr::chacha20_poly1305},
      [&](Encr encr) { return has_cipher(encr, Integ::none); }, message);
  auto& hashers = message.add_section("hasher");
  for (const auto* name : {"HASH_SHA1", "HASH_SHA2_256", "HASH_SHA2_384", "HASH_SHA2_512"})
    hashers.add(name, "openssl");
  add_algorithms<Prf>(
      "prf",
      {Prf::hmac_md5, Prf::hmac_sha1, Prf::aes128_xcbc, Prf::hmac_sha2_256, Prf::hmac_sha2_384,
       Prf::hmac_sha2_512, Prf::aes128_cmac},
      [&](Prf prf) { return provider.supports(prf); }, message);
  message.add_section("xof");
  message.add_section("kdf").add("KDF_PRF", "openssl").add("KDF_PRF_PLUS", "openssl");
  message.add_section("drbg");
  add_algorithms<Ke>(
      "dh",
      {Ke::modp1024, Ke::modp1536, Ke::modp2048, Ke::modp3072, Ke::modp4096, Ke::modp6144,
       Ke::modp8192, Ke::ecp256, Ke::ecp384, Ke::ecp521, Ke::x25519, Ke::x448},
      [&](Ke method) { return provider.supports(method); }, message);
  message.add_section("rng").add("RNG_STRONG", "openssl").add("RNG_TRUE", "openssl");
  message.add_section("nonce-gen").add("NONCE_GEN", "openssl");
  return message;
}

}  // namespace culvert::vici
