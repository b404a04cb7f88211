// culvert pki print: what a certificate, request, CRL or key says, for people and as JSON.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

#include "cli/json.h"
#include "cli/pki_files.h"
#include "cli/text.h"
#include "pki/asn1_time.h"

namespace culvert::cli {
namespace {

struct PrintArguments {
  KeySource source;
};

// One object: named rows, each with one value or several.
class Sheet {
 public:
  void add(const std::string& name, std::string value) {
    rows_.push_back({name, {std::move(value)}});
  }
  void add(const std::string& name, std::vector<std::string> values) {
    if (!values.empty()) rows_.push_back({name, std::move(values)});
  }
  void show(const Options& options) const {
    if (options.json) {
      vici::Message message;
      for (const Row& row : rows_) message.add_list(row.name, row.values);
      fmt::print("{}\n", to_json(message));
      return;
    }
    for (const Row& row : rows_)
      for (std::size_t i = 0; i < row.values.size(); ++i)
        fmt::print("{:<14}{}\n", i == 0 ? row.name + ":" : "", printable(row.values[i]));
  }

 private:
  struct Row {
    std::string name;
    std::vector<std::string> values;
  };
  std::vector<Row> rows_;
};

std::string hex(ByteView octets) { return fmt::format("{:02x}", fmt::join(octets, ":")); }

template <class Bits>
struct BitName {
  Bits bit;
  const char* name;
};
constexpr BitName<std::uint16_t> kUsages[] = {{pki::kDigitalSignature, "digitalSignature"},
                                              {pki::kNonRepudiation, "nonRepudiation"},
                                              {pki::kKeyCertSign, "keyCertSign"},
                                              {pki::kCrlSign, "cRLSign"}};
constexpr BitName<std::uint8_t> kPurposes[] = {
    {pki::kAnyUsage, "any"},          {pki::kServerAuth, "serverAuth"},
    {pki::kClientAuth, "clientAuth"}, {pki::kIkeIntermediate, "ikeIntermediate"},
    {pki::kIpsecIke, "ipsecIKE"},     {pki::kOcspSigning, "ocspSigning"},
    {pki::kOtherUsage, "others"},
};

template <class Bits, std::size_t N>
std::vector<std::string> names_of(std::optional<Bits> bits, const BitName<Bits> (&known)[N]) {
  std::vector<std::string> names;
  for (const auto& row : known)
    if (bits && (*bits & row.bit) != 0) names.emplace_back(row.name);
  return names;
}

std::vector<std::string> texts_of(const std::vector<pki::GeneralName>& names) {
  std::vector<std::string> texts;
  for (const auto& name : names) texts.push_back(pki::to_string(name));
  return texts;
}

std::string scheme_text(const std::optional<SignatureScheme>& scheme) {
  if (!scheme) return "of a kind that we do not verify";
  if (!scheme->hash) return std::string(name_of(scheme->kind));
  return fmt::format("{} with {}", name_of(scheme->kind), name_of(*scheme->hash));
}

void add_key(Sheet& sheet, const PublicKey& key) {
  sheet.add("key", key.kind() == KeyKind::rsa
                       ? fmt::format("RSA, {} bits{}", key.bits(), key.is_weak() ? ", weak" : "")
                       : std::string(name_of(key.kind())));
  sheet.add("keyid", hex(key.spki_hash()));
  sheet.add("subjkey", hex(key.key_id()));
}

std::string validity_text(const pki::Certificate& certificate, std::chrono::sys_seconds now) {
  const auto days = [](auto duration) {
    return std::chrono::duration_cast<std::chrono::days>(duration).count();
  };
  if (now < certificate.not_before) return "not yet valid";
  if (now > certificate.not_after)
    return fmt::format("expired {} days ago", days(now - certificate.not_after));
  return fmt::format("valid for {} more days", days(certificate.not_after - now));
}

Sheet sheet_of(const pki::Certificate& certificate) {
  Sheet sheet;
  sheet.add("subject", pki::name_text(certificate.subject));
  sheet.add("issuer", pki::name_text(certificate.issuer));
  sheet.add("validity", std::vector<std::string>{"from " + pki::to_string(certificate.not_before),
                                                 "to   " + pki::to_string(certificate.not_after),
                                                 validity_text(certificate, wall_clock())});
  sheet.add("serial", pki::serial_text(certificate.serial));
  sheet.add("altNames", texts_of(certificate.alternative_names));
  if (certificate.is_ca)
    sheet.add("CA", certificate.path_length
                        ? fmt::format("yes, pathlen {}", *certificate.path_length)
                        : std::string("yes"));
  sheet.add("keyUsage", names_of(certificate.key_usage, kUsages));
  sheet.add("flags", names_of(certificate.extended_key_usage, kPurposes));
  sheet.add("permitted", texts_of(certificate.name_constraints.permitted));
  sheet.add("excluded", texts_of(certificate.name_constraints.excluded));
  sheet.add("policies", certificate.policies);
  sheet.add("CRL", certificate.crl_urls);
  sheet.add("OCSP", certificate.ocsp_urls);
  if (!certificate.authority_key_id.empty())
    sheet.add("authkey", hex(certificate.authority_key_id));
  sheet.add("signature", scheme_text(certificate.scheme));
  if (certificate.key)
    add_key(sheet, *certificate.key);
  else
    sheet.add("key", "of a kind or size that we do not use");
  if (!certificate.unknown_critical.empty())
    sheet.add("critical", certificate.unknown_critical + ", which we do not know");
  return sheet;
}

Sheet sheet_of(const pki::Crl& crl) {
  Sheet sheet;
  sheet.add("issuer", pki::name_text(crl.issuer));
  sheet.add("update", std::vector<std::string>{"this on " + pki::to_string(crl.this_update),
                                               "next on " + pki::to_string(crl.next_update)});
  if (!crl.authority_key_id.empty()) sheet.add("authkey", hex(crl.authority_key_id));
  sheet.add("signature", scheme_text(crl.scheme));
  std::vector<std::string> revoked;
  for (const auto& entry : crl.entries)
    revoked.push_back(fmt::format("{}, {}, {}", pki::serial_text(serial_of(crl, entry)),
                                  pki::to_string(entry.when), pki::name_of(entry.reason)));
  sheet.add("revoked", std::move(revoked));
  return sheet;
}

Outcome<> print(const PrintArguments& arguments, const Options& options) {
  const Input input = TRY(read_input(arguments.source.path));
  const Holder holder = TRY(holder_of(input, arguments.source.type));
  if (holder == Holder::certificate) {
    const auto certificates = TRY(certificates_in(input));
    for (const auto& certificate : certificates) {
      if (certificate != certificates.front() && !options.json) fmt::print("\n");
      sheet_of(*certificate).show(options);
    }
    return {};
  }
  if (holder == Holder::crl) {
    sheet_of(*TRY(crl_in(input))).show(options);
    return {};
  }
  Sheet sheet;
  if (holder == Holder::request)
    sheet.add("subject", pki::name_text(TRY(request_in(input)).subject));
  if (holder == Holder::private_key) sheet.add("holds", "a private key");
  add_key(sheet, *TRY(public_key_in(input, holder, arguments.source.password_file)));
  sheet.show(options);
  return {};
}

}  // namespace

void add_pki_print(CLI::App& pki, const Runner& runner) {
  const auto arguments = std::make_shared<PrintArguments>();
  CLI::App* command = add_subcommand(
      pki, runner, "print", "Show what a certificate, request, CRL or key says", arguments, print);
  add_key_source(command, arguments->source);
}

}  // namespace culvert::cli
