// Owns distinguished names: their DER and their text.
// Invariant: encode_name(*name_to_string(der)) equals der up to the string types of its values.
#include "policy/distinguished_name.h"

#include <algorithm>

#include "base/der.h"

namespace culvert {
namespace {

constexpr std::uint8_t kPrintable = der::kPrintableString, kIa5 = der::kIa5String;
constexpr std::size_t kMaxAttributes = 64;

struct AttributeType {
  std::string_view name;
  std::string_view oid;  // contents octets
  std::uint8_t tag;      // for values that it can hold
};

using namespace std::string_view_literals;
// The first name of an OID is the one we print. RFC 4519, RFC 2985.
constexpr AttributeType kTypes[] = {
    {"CN", "\x55\x04\x03"sv, kPrintable},
    {"C", "\x55\x04\x06"sv, kPrintable},
    {"L", "\x55\x04\x07"sv, kPrintable},
    {"ST", "\x55\x04\x08"sv, kPrintable},
    {"STREET", "\x55\x04\x09"sv, kPrintable},
    {"O", "\x55\x04\x0a"sv, kPrintable},
    {"OU", "\x55\x04\x0b"sv, kPrintable},
    {"T", "\x55\x04\x0c"sv, kPrintable},
    {"S", "\x55\x04\x04"sv, kPrintable},
    {"SN", "\x55\x04\x05"sv, kPrintable},
    {"serialNumber", "\x55\x04\x05"sv, kPrintable},
    {"D", "\x55\x04\x0d"sv, kPrintable},
    {"postalCode", "\x55\x04\x11"sv, kPrintable},
    {"N", "\x55\x04\x29"sv, kPrintable},
    {"G", "\x55\x04\x2a"sv, kPrintable},
    {"I", "\x55\x04\x2b"sv, kPrintable},
    {"ID", "\x55\x04\x2d"sv, kPrintable},
    {"dnQualifier", "\x55\x04\x2e"sv, kPrintable},
    {"UID", "\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x01"sv, kPrintable},
    {"DC", "\x09\x92\x26\x89\x93\xf2\x2c\x64\x01\x19"sv, kIa5},
    {"E", "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01"sv, kIa5},
    {"emailAddress", "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x01"sv, kIa5},
    {"unstructuredName", "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x02"sv, kIa5},
    {"unstructuredAddress", "\x2a\x86\x48\x86\xf7\x0d\x01\x09\x08"sv, kPrintable},
};

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool is_printable_string(std::string_view text) {
  return std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           " '()+,-./:=?"sv.contains(c);
  });
}
bool is_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// Length of the well-formed UTF-8 sequence at the front that shows as text; 0 when there is none.
std::size_t visible_character(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text.front());
  if (lead < 0x80) return lead >= 0x20 && lead != 0x7f ? 1 : 0;
  const std::size_t length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  if (lead < 0xc2 || lead > 0xf4 || text.size() < length) return 0;
  std::uint32_t code = lead & (0x7fu >> length);
  for (const char c : text.substr(1, length - 1)) {
    const auto octet = static_cast<unsigned char>(c);
    if ((octet & 0xc0) != 0x80) return 0;
    code = (code << 6) | (octet & 0x3fu);
  }
  constexpr std::uint32_t kSmallest[] = {0xa0, 0x800, 0x10000};  // below 0xa0: control characters
  const bool surrogate = code >= 0xd800 && code <= 0xdfff;
  return code < kSmallest[length - 2] || code > 0x10ffff || surrogate ? 0 : length;
}
bool is_visible(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = visible_character(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::optional<NameAttribute> read_attribute(Reader& set) {
  const auto pair = der::read(set, der::kSequence);
  if (!pair) return std::nullopt;
  Reader reader(pair->value);
  const auto oid = der::read(reader, der::kOid);
  const auto value = der::read(reader);
  if (!oid || !value || !reader.empty()) return std::nullopt;
  return NameAttribute{to_bytes(oid->value), value->tag, to_bytes(value->value)};
}

// Splits the text of a name; each call yields one "TYPE=value" with escapes resolved.
class NameText {
 public:
  explicit NameText(std::string_view text) : text_(text) {
    if (text_.starts_with('/')) {
      separator_ = '/';
      text_.remove_prefix(1);
    }
  }
  bool done() const { return text_.empty(); }
  std::optional<NameAttribute> next() {
    skip_spaces();
    const auto equals = text_.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    std::string_view name = text_.substr(0, equals);
    while (name.ends_with(' ')) name.remove_suffix(1);
    const auto* type = std::ranges::find_if(kTypes, [name](const AttributeType& row) {
      return std::ranges::equal(row.name, name, {}, lower, lower);
    });
    if (type == std::end(kTypes)) return std::nullopt;
    text_.remove_prefix(equals + 1);
    NameAttribute attribute{to_bytes(as_bytes(type->oid)), type->tag, {}, joined_};
    if (!read_value(attribute)) return std::nullopt;
    return attribute;
  }
  bool ended_with_separator() const { return ended_with_separator_; }

 private:
  void skip_spaces() {
    while (text_.starts_with(' ')) text_.remove_prefix(1);
  }
  bool read_value(NameAttribute& attribute) {
    skip_spaces();
    std::string value;
    std::size_t kept = 0;  // without trailing spaces, unless they are escaped
    ended_with_separator_ = joined_ = false;
    while (!text_.empty()) {
      char c = text_.front();
      text_.remove_prefix(1);
      if (c == separator_ || c == '+') {
        ended_with_separator_ = true;
        joined_ = c == '+';
        break;
      }
      const bool escaped = c == '\\';
      if (escaped) {
        if (text_.empty()) return false;
        c = text_.front();
        text_.remove_prefix(1);
      }
      value += c;
      if (escaped || c != ' ') kept = value.size();
    }
    value.resize(kept);
    if (!is_visible(value)) return false;
    const bool fits = attribute.tag == kIa5 ? is_ascii(value) : is_printable_string(value);
    if (!fits) attribute.tag = der::kUtf8String;
    attribute.value = to_bytes(as_bytes(value));
    return true;
  }

  std::string_view text_;
  char separator_ = ',';
  bool joined_ = false;
  bool ended_with_separator_ = false;
};

void append_escaped(std::string& out, std::string_view value) {
  for (std::size_t i = 0; i < value.size(); ++i) {
    const bool edge = value[i] == ' ' && (i == 0 || i + 1 == value.size());
    if (edge || ",+\\"sv.contains(value[i])) out += '\\';
    out += value[i];
  }
}

}  // namespace

bool NameAttribute::is_text() const {
  return tag == der::kUtf8String || tag == kPrintable || tag == der::kTeletexString ||
         tag == kIa5 || tag == der::kVisibleString;
}

std::optional<std::vector<NameAttribute>> decode_name(ByteView octets) {
  const auto name = der::read_only(octets, der::kSequence);
  if (!name) return std::nullopt;
  std::vector<NameAttribute> attributes;
  for (Reader sets(name->value); !sets.empty();) {
    const auto set = der::read(sets, der::kSet);
    if (!set || set->value.empty()) return std::nullopt;
    Reader reader(set->value);
    for (bool joined = false; !reader.empty(); joined = true) {
      auto attribute = read_attribute(reader);
      if (!attribute || attributes.size() == kMaxAttributes) return std::nullopt;
      attribute->joined = joined;
      attributes.push_back(std::move(*attribute));
    }
  }
  return attributes;
}

std::optional<Bytes> encode_name(std::string_view text) {
  Bytes sets, set;
  NameText reader(text);
  for (std::size_t count = 0; !reader.done(); ++count) {
    const auto attribute = reader.next();
    if (!attribute || count == kMaxAttributes) return std::nullopt;
    if (!attribute->joined && !set.empty())
      append(sets, der::element(der::kSet, {std::exchange(set, {})}));
    append(set, der::element(der::kSequence, {der::element(der::kOid, {attribute->oid}),
                                              der::element(attribute->tag, {attribute->value})}));
    if (sets.size() + set.size() > 0x8000) return std::nullopt;
  }
  if (set.empty() || reader.ended_with_separator()) return std::nullopt;
  append(sets, der::element(der::kSet, {set}));
  return der::element(der::kSequence, {sets});
}

std::optional<std::string> name_to_string(ByteView der) {
  const auto attributes = decode_name(der);
  if (!attributes || attributes->empty()) return std::nullopt;
  std::string out;
  for (const auto& attribute : *attributes) {
    const auto* type = std::ranges::find(kTypes, as_text(attribute.oid), &AttributeType::oid);
    const std::string_view value = as_text(attribute.value);
    if (type == std::end(kTypes) || !attribute.is_text() || !is_visible(value)) return std::nullopt;
    if (!out.empty()) out += attribute.joined ? "+" : ", ";
    out += type->name;
    out += '=';
    append_escaped(out, value);
  }
  return out;
}

std::string canonical_value(const NameAttribute& attribute) {
  const std::string_view value = as_text(attribute.value);
  if (!attribute.is_text())
    return std::string{'b', static_cast<char>(attribute.tag)} + std::string(value);
  std::string out = "t ";
  for (const char c : value)
    if (c != ' ' || out.back() != ' ') out += lower(c);
  if (out.ends_with(' ')) out.pop_back();
  return out;
}

}  // namespace culvert
