// Owns the conversion of the TOML library's tree into ours.
// Invariant: nothing of the library leaves this file, and it never sees keys that nest deeply
// enough to exhaust the stack in its recursive functions.
#include "config/document.h"

#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#define TOML_MAX_NESTED_VALUES culvert::config::kMaxNesting
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <optional>

#include "base/secret.h"

namespace culvert::config {
namespace {

Position position_of(const toml::source_region& source) {
  return {source.begin.line, source.begin.column};
}

void wipe_text(std::string& text) {
  secure_zero({reinterpret_cast<std::uint8_t*>(text.data()), text.size()});
}

Table convert(toml::table& from);

Value convert(toml::node& node) {
  Value value{position_of(node.source()), Moment{}};
  if (auto* text = node.as_string()) {
    value.content = text->get();
    wipe_text(text->get());
  } else if (const auto* integer = node.as_integer()) {
    value.content = integer->get();
  } else if (const auto* number = node.as_floating_point()) {
    value.content = number->get();
  } else if (const auto* boolean = node.as_boolean()) {
    value.content = boolean->get();
  } else if (auto* table = node.as_table()) {
    value.content = convert(*table);
  } else if (auto* array = node.as_array()) {
    Array items;
    items.reserve(array->size());
    for (toml::node& item : *array) items.push_back(convert(item));
    value.content = std::move(items);
  }
  return value;
}

Table convert(toml::table& from) {
  Table table;
  table.reserve(from.size());
  for (auto&& [key, node] : from)
    table.push_back({std::string(key.str()), position_of(key.source()), convert(node)});
  std::ranges::sort(table, {}, &Member::at);
  return table;
}

// Walks over strings, comments and keys, as far as is needed to count the parts of each key.
class KeyScanner {
 public:
  explicit KeyScanner(std::string_view text) : text_(text) {}

  // Where the first key of too many parts exceeds them.
  std::optional<Position> find_too_deep() {
    unsigned parts = 1;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '"' || c == '\'') {
        skip_string(c);
        continue;
      }
      if (c == '#') at_ = std::min(text_.find('\n', at_), text_.size() - 1);
      if (c == '.' && ++parts > kMaxKeyParts) return position();
      if (std::string_view("=[]{},\n#").contains(c)) parts = 1;
      ++at_;
    }
    return std::nullopt;
  }

 private:
  void skip_string(char quote) {
    const std::string_view rest = text_.substr(at_);
    const bool multi_line = rest.size() >= 3 && rest[1] == quote && rest[2] == quote;
    at_ += multi_line ? 3 : 1;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (c == '\\' && quote == '"') {
        ++at_;
      } else if (multi_line ? text_.substr(at_, 3) == std::string(3, quote) : c == quote) {
        at_ = std::min(at_ + (multi_line ? 3 : 1), text_.size());
        // A multi-line string may end in up to two quotes of its own.
        while (multi_line && at_ < text_.size() && text_[at_] == quote) ++at_;
        return;
      } else if (c == '\n' && !multi_line) {
        return;
      }
    }
    at_ = std::min(at_, text_.size());
  }

  Position position() const {
    const std::string_view before = text_.substr(0, at_);
    const auto line_start = before.rfind('\n') + 1;
    return {static_cast<unsigned>(std::ranges::count(before, '\n') + 1),
            static_cast<unsigned>(at_ - line_start + 1)};
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

void wipe(Value& value) {
  if (auto* text = std::get_if<std::string>(&value.content)) return wipe_text(*text);
  if (auto* table = std::get_if<Table>(&value.content)) return config::wipe(*table);
  if (auto* array = std::get_if<Array>(&value.content))
    for (Value& item : *array) wipe(item);
}

// True where a line of `text` ends; positions count characters, not octets.
bool is_end_of_line(std::string_view text, Position at) {
  for (unsigned line = 1; line < at.line; ++line)
    text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
  const auto line = text.substr(0, text.find('\n'));
  const auto is_first_octet = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; };
  return at.column > static_cast<unsigned>(std::ranges::count_if(line, is_first_octet));
}

std::string message_of(const toml::parse_error& error, std::string_view text) {
  // "Error while parsing string: …": only what follows is news.
  std::string_view description = error.description();
  if (description.starts_with("Error while")) description.remove_prefix(description.find(": ") + 2);
  if (description.contains("control characters") &&
      is_end_of_line(text, position_of(error.source())))
    return "the string has no closing quote on this line";
  return std::string(description);
}

}  // namespace

std::string_view kind_of(const Value& value) {
  constexpr auto kKinds =
      std::to_array<std::string_view>({"a boolean", "an integer", "a number with a fraction",
                                       "a date or time", "a string", "an array", "a table"});
  static_assert(kKinds.size() == std::variant_size_v<decltype(Value::content)>);
  return kKinds[value.content.index()];
}

std::expected<Table, SyntaxError> parse_document(std::string_view text) {
  if (const auto at = KeyScanner(text).find_too_deep())
    return std::unexpected(SyntaxError{*at, "a key has too many parts"});
  toml::parse_result result = toml::parse(text);
  if (result) return convert(result.table());
  const toml::parse_error& error = result.error();
  return std::unexpected(SyntaxError{position_of(error.source()), message_of(error, text)});
}

void wipe(Table& table) {
  for (Member& member : table) wipe(member.value);
}

}  // namespace culvert::config
