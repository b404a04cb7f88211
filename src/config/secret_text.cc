#include "config/secret_text.h"

#include <fmt/format.h>

#include "config/file.h"
#include "crypto/openssl_provider.h"
#include "crypto/pem.h"
#include "pki/certificate.h"
#include "pki/certificate_file.h"

namespace culvert::config {
namespace {

// `what` as diagnostics call it: "pre-shared key".
SecretBytes read_secret_file(const LocatedText& name, std::string_view what, Report& report) {
  const auto file = read_file(beside(report.file(), name.value), limits::kMaxSecretFileSize);
  if (!file) {
    report.error(name.at, file.error());
    return {};
  }
  if (file->world_readable)
    report.warning(name.at, fmt::format("everybody can read {}", in_quotes(name.value)),
                   "chmod o= it");
  SecretBytes secret(without_newline(file->octets.view()));
  if (secret.empty())
    report.error(name.at, fmt::format("{} holds no {}: it is empty", in_quotes(name.value), what));
  return secret;
}

SecretBytes read_inline_secret(const TableReader& table, const Member& member,
                               std::string_view what, const TunnelContext& context) {
  const auto& text = std::get<std::string>(member.value.content);
  if (text.empty())
    context.report.error(member.value.at, table.place(member.key) + ": the key is empty");
  if (context.file_is_world_readable)
    context.report.warning(
        member.value.at, fmt::format("everybody can read this file, and it holds a {}", what),
        fmt::format("chmod o= it, or write {} = {{ file = \"…\" }}", member.key));
  return SecretBytes(as_bytes(text));
}

}  // namespace

SecretBytes read_secret(TableReader& table, const Member& member, std::string_view what,
                        const TunnelContext& context) {
  if (std::holds_alternative<std::string>(member.value.content))
    return read_inline_secret(table, member, what, context);
  const auto* inner = std::get_if<Table>(&member.value.content);
  if (!inner) {
    table.wrong_type(member.key, member.value, "a string or { file = \"…\" }");
    return {};
  }
  SecretBytes secret;
  TableReader reader(*inner, table.place(member.key), member.value.at, context.report);
  if (const auto name = reader.text("file")) {
    secret = read_secret_file(*name, what, context.report);
  } else if (!reader.any("file")) {
    context.report.error(member.value.at, table.place(member.key) + ": no 'file' is named");
  }
  reader.finish();
  return secret;
}

std::vector<CertificateData> read_certificates(const LocatedText& name, Report& report) {
  const bool is_text = is_pem(as_bytes(name.value));
  std::expected<FileContents, std::string> file;
  if (!is_text) file = read_file(beside(report.file(), name.value), limits::kMaxPemSize);
  if (!file) {
    report.error(name.at, file.error());
    return {};
  }
  const auto certificates =
      pki::certificates_in(is_text ? as_bytes(name.value) : file->octets.view());
  const auto provider = make_openssl_provider();
  std::vector<CertificateData> data;
  for (const Bytes& der : certificates.value_or(std::vector<Bytes>{})) {
    if (!pki::parse_certificate(*provider, der)) continue;
    data.push_back({std::make_shared<const Bytes>(der)});
  }
  if (data.empty() || data.size() != certificates->size()) {
    report.error(name.at, is_text
                              ? "the PEM text has something that is no X.509 certificate"
                              : fmt::format("{} is not a file of X.509 certificates, PEM or DER",
                                            in_quotes(name.value)));
    return {};
  }
  return data;
}

}  // namespace culvert::config
