#include "pki/name_constraints.h"

#include <algorithm>

#include "policy/distinguished_name.h"

namespace culvert::pki {
namespace {

constexpr std::string_view kEmailAddress = "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01";

std::string lower(ByteView text) {
  std::string out(as_text(text));
  std::ranges::transform(out, out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return out;
}

// Whether `host` is `domain` or, where the constraint says so, something below it.
bool below(std::string_view host, std::string_view domain) {
  if (domain.starts_with('.')) return host.size() > domain.size() && host.ends_with(domain);
  return host.size() > domain.size() && host.ends_with(domain) &&
         host[host.size() - domain.size() - 1] == '.';
}

bool dns_within(std::string_view name, std::string_view domain) {
  return domain.empty() || name == domain || below(name, domain);
}

bool email_within(const GeneralName& name, const GeneralName& constraint) {
  const std::string_view mailbox = as_text(name.value), wanted = as_text(constraint.value);
  const auto at = mailbox.rfind('@'), wanted_at = wanted.rfind('@');
  if (at == std::string_view::npos) return false;
  const std::string host = lower(name.value).substr(at + 1);
  if (wanted_at != std::string_view::npos)  // one mailbox: only the host is compared without case
    return mailbox.substr(0, at) == wanted.substr(0, wanted_at) &&
           host == lower(constraint.value).substr(wanted_at + 1);
  const std::string domain = lower(constraint.value);
  return domain.starts_with('.') ? below(host, domain) : host == domain;
}

// Empty where the URI has no host or an address in its place: RFC 5280 has no rule that fits those.
std::string host_of_uri(ByteView uri) {
  std::string text = lower(uri);
  const auto scheme = text.find("://");
  if (scheme == std::string::npos) return {};
  text = text.substr(scheme + 3, text.find_first_of("/?#", scheme + 3) - scheme - 3);
  if (const auto at = text.rfind('@'); at != std::string::npos) text.erase(0, at + 1);
  text.resize(std::min(text.size(), text.find(':')));
  return text.find_first_not_of("0123456789.") == std::string::npos ? std::string() : text;
}

bool uri_within(const std::string& host, const std::string& domain) {
  return !host.empty() && (domain.starts_with('.') ? below(host, domain) : host == domain);
}

bool address_within(ByteView address, ByteView range) {
  if (range.size() != 2 * address.size()) return false;
  for (std::size_t i = 0; i < address.size(); ++i)
    if (((address[i] ^ range[i]) & range[address.size() + i]) != 0) return false;
  return true;
}

bool directory_within(ByteView name, ByteView subtree) {
  const auto whole = decode_name(name), top = decode_name(subtree);
  if (!whole || !top || top->size() > whole->size()) return false;
  const bool ends_with_rdn = top->size() == whole->size() || !(*whole)[top->size()].joined;
  return ends_with_rdn && std::equal(top->begin(), top->end(), whole->begin(),
                                     [](const NameAttribute& a, const NameAttribute& b) {
                                       return a.oid == b.oid && a.joined == b.joined &&
                                              canonical_value(a) == canonical_value(b);
                                     });
}

bool within(const GeneralName& name, const GeneralName& constraint) {
  switch (name.type) {
    case NameType::dns:
      return dns_within(lower(name.value), lower(constraint.value));
    case NameType::email:
      return email_within(name, constraint);
    case NameType::uri:
      return uri_within(host_of_uri(name.value), lower(constraint.value));
    case NameType::ip:
      return address_within(name.value, constraint.value);
    case NameType::directory:
      return directory_within(name.value, constraint.value);
    case NameType::other:
      return false;
  }
  return false;
}

// A constraint that cannot be applied forbids: names of other types, and URIs without a host.
bool is_opaque(const GeneralName& name) {
  return name.type == NameType::other ||
         (name.type == NameType::uri && host_of_uri(name.value).empty());
}

class Checker {
 public:
  Checker(const NameConstraints& constraints, std::size_t& budget)
      : constraints_(constraints), budget_(budget) {}

  bool forbids(const GeneralName& name) {
    bool constrained = false, permitted = false;
    for (const GeneralName& tree : constraints_.permitted) {
      if (!spend()) return true;
      if (tree.type != name.type) continue;
      constrained = true;
      if (within(name, tree)) permitted = true;
    }
    if (constrained && !permitted) return true;
    for (const GeneralName& tree : constraints_.excluded) {
      if (!spend()) return true;
      if (tree.type == name.type && (is_opaque(name) || within(name, tree))) return true;
    }
    return false;
  }

 private:
  bool spend() { return budget_ != 0 && budget_-- != 0; }
  const NameConstraints& constraints_;
  std::size_t& budget_;
};

}  // namespace

std::optional<GeneralName> find_forbidden(const NameConstraints& constraints,
                                          const Certificate& certificate, std::size_t& budget) {
  if (constraints.permitted.empty() && constraints.excluded.empty()) return std::nullopt;
  Checker checker(constraints, budget);
  for (const GeneralName& name : certificate.alternative_names)
    if (checker.forbids(name)) return name;
  const auto subject = decode_name(certificate.subject);
  if (subject && subject->empty()) return std::nullopt;
  GeneralName directory{NameType::directory, to_bytes(certificate.subject)};
  if (checker.forbids(directory)) return directory;
  if (!subject) return std::nullopt;
  for (const NameAttribute& attribute : *subject) {
    if (as_text(attribute.oid) != kEmailAddress) continue;
    GeneralName email{NameType::email, attribute.value};
    if (checker.forbids(email)) return email;
  }
  return std::nullopt;
}

}  // namespace culvert::pki
