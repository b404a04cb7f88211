#include "config/sim.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/file.h"
#include "config/secret_text.h"
#include "crypto/openssl_provider.h"

namespace culvert::config {
namespace {

constexpr std::int64_t kMaxSqn = (std::int64_t{1} << 48) - 1;
constexpr std::size_t kMaxTripletsFile = 16 * 1'024 * 1'024;

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Exactly `size` octets; empty when `text` is anything else.
SecretBytes unhex(std::string_view text, std::size_t size) {
  if (text.size() != 2 * size) return {};
  SecretBytes octets(size);
  for (std::size_t i = 0; i < size; ++i) {
    const int high = digit(text[2 * i]), low = digit(text[2 * i + 1]);
    if (high < 0 || low < 0) return {};
    octets.mutable_view()[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return octets;
}

// 32 hexadecimal digits, here or in a file; empty after a report.
SecretBytes read_key(TableReader& table, std::string_view name, const TunnelContext& context) {
  const Member* member = table.any(name);
  if (!member) return {};
  const SecretBytes text = read_secret(table, *member, "key of a SIM", context);
  SecretBytes key = unhex(as_text(text.view()), eap::milenage::kKeySize);
  if (key.empty() && !text.empty())
    table.report().error(member->value.at,
                         table.place(name) + ": a key of a SIM has 32 hexadecimal digits");
  return key;
}

void read_keys(TableReader& table, const TunnelContext& context, eap::Subscriber& subscriber) {
  const SecretBytes k = read_key(table, "k", context), opc = read_key(table, "opc", context),
                    op = read_key(table, "op", context);
  if (table.any("op") && table.any("opc"))
    table.report().error(table.any("op")->value.at,
                         fmt::format("{}: 'opc' comes of 'op' and 'k'", table.name()),
                         "leave out one of them");
  if (!table.any("op") && !table.any("opc"))
    table.report().error(table.at(), fmt::format("{} has 'k', but no 'opc'", table.name()),
                         "add opc or op, the operator's key");
  if (k.empty() || (opc.empty() && op.empty())) return;
  subscriber.keys.emplace().k.assign(k.view());
  if (!opc.empty()) return subscriber.keys->opc.assign(opc.view());
  const auto provider = make_openssl_provider();
  if (const auto made = eap::milenage::opc_of(*provider, k.view(), op.view()))
    subscriber.keys->opc.assign(*made);
}

std::string_view next_field(std::string_view& line) {
  const auto comma = line.find(',');
  std::string_view field = line.substr(0, comma);
  line.remove_prefix(comma == std::string_view::npos ? line.size() : comma + 1);
  while (!field.empty() && (field.back() == ' ' || field.back() == '\r')) field.remove_suffix(1);
  while (!field.empty() && field.front() == ' ') field.remove_prefix(1);
  return field;
}

// Lines of IDENTITY,RAND,SRES,Kc; those of others and comments do not count.
void read_triplets(const LocatedText& name, Report& report, eap::Subscriber& subscriber) {
  const auto file = read_file(beside(report.file(), name.value), kMaxTripletsFile);
  if (!file) return report.error(name.at, file.error());
  std::string_view rest = as_text(file->octets.view());
  for (unsigned number = 1; !rest.empty(); ++number) {
    const auto end = rest.find('\n');
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (line.starts_with('#') || next_field(line) != subscriber.identity) continue;
    const SecretBytes rand = unhex(next_field(line), eap::kRandSize),
                      sres = unhex(next_field(line), eap::kSresSize),
                      kc = unhex(next_field(line), eap::kKcSize);
    if (rand.empty() || sres.empty() || kc.empty() || !line.empty())
      return report.error(name.at, fmt::format("{}, line {}: not IDENTITY,RAND,SRES,Kc",
                                               in_quotes(name.value), number));
    subscriber.triplets.push_back(
        {to_bytes(rand.view()), to_bytes(sres.view()), to_bytes(kc.view())});
  }
  if (subscriber.triplets.empty())
    report.error(name.at, fmt::format("{} has no triplets of {}", in_quotes(name.value),
                                      in_quotes(subscriber.identity)));
}

eap::Subscriber read_subscriber(TableReader& table, const std::string& identity,
                                const TunnelContext& context) {
  eap::Subscriber subscriber;
  subscriber.identity = identity;
  const auto triplets = table.text("triplets");
  if (triplets) read_triplets(*triplets, context.report, subscriber);
  if (table.any("k"))
    read_keys(table, context, subscriber);
  else if (!triplets)
    context.report.error(table.at(), fmt::format("{} has neither 'k' nor 'triplets'", table.name()),
                         "add k and opc, or triplets = \"FILE\"");
  subscriber.sqn = static_cast<std::uint64_t>(table.integer("sqn", 0, kMaxSqn).value_or(0));
  table.finish();
  return subscriber;
}

}  // namespace

std::vector<eap::Subscriber> read_subscribers(const Member& member, const TunnelContext& context) {
  std::vector<eap::Subscriber> subscribers;
  const auto* content = std::get_if<Table>(&member.value.content);
  if (!content) {
    context.report.error(member.value.at,
                         fmt::format("'sim': expected a table, found {}", kind_of(member.value)),
                         "write [sim.IMSI]");
    return subscribers;
  }
  for (const Member& one : *content) {
    const auto* inner = std::get_if<Table>(&one.value.content);
    if (!inner) {
      context.report.error(one.value.at,
                           fmt::format("{} in [sim]: expected a table, found {}",
                                       in_quotes(one.key), kind_of(one.value)),
                           "write [sim.IMSI]");
      continue;
    }
    TableReader reader(*inner, fmt::format("[sim.{}]", one.key), one.at, context.report);
    subscribers.push_back(read_subscriber(reader, one.key, context));
  }
  return subscribers;
}

}  // namespace culvert::config
