// Owns the one mechanism that reads an event's declaration: kInfo and fields() are all it knows of
// an event type.
// Invariant: numbers without a name are printed as numbers, so nothing a peer sends is hidden.
#include "trace/render.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "trace/value_text.h"

namespace culvert::trace {
namespace {

template <class F>
decltype(auto) visit_info(const Event& event, F&& f) {
  return std::visit([&]<class T>(const T& body) -> decltype(auto) { return f(T::kInfo, body); },
                    event.body);
}

using NamedText = std::pair<std::string, std::string>;

template <class Body>
std::vector<NamedText> named_texts(const Body& body) {
  return std::apply(
      [](const auto&... field) {
        return std::vector<NamedText>{{std::string(field.name), value_text(field.value)}...};
      },
      body.fields());
}

// `text` with each "{name}" replaced; a brace that names no field stays as it is.
std::string substitute(std::string_view text, const std::vector<NamedText>& fields) {
  std::string out;
  while (!text.empty()) {
    const std::size_t open = std::min(text.find('{'), text.size());
    out += text.substr(0, open);
    text.remove_prefix(open);
    const std::size_t close = text.find('}');
    if (close == std::string_view::npos) return out += text;
    const auto found = std::ranges::find(fields, text.substr(1, close - 1), &NamedText::first);
    out += found != fields.end() ? std::string_view(found->second) : text.substr(0, close + 1);
    text.remove_prefix(close + 1);
  }
  return out;
}

std::string subject_text(const Subject& subject) {
  std::string text = subject.connection;
  if (subject.ike_unique_id != 0) text += fmt::format("[{}]", subject.ike_unique_id);
  if (subject.child.empty()) return text;
  if (!text.empty()) text += ' ';
  text += subject.child;
  if (subject.child_unique_id != 0) text += fmt::format("{{{}}}", subject.child_unique_id);
  return text;
}

constexpr auto kReasonNames = std::to_array<std::string_view>({
    "truncated",
    "bad length",
    "bad value",
    "bad order",
    "missing payload",
    "unexpected payload",
    "unsupported critical payload",
    "unsupported version",
    "too large",
    "bad integrity",
    "bad padding",
    "bad public value",
    "unsupported",
    "no match",
    "not found",
    "refused",
    "exhausted",
    "invalid argument",
    "system error",
});
static_assert(kReasonNames.size() == static_cast<std::size_t>(Reason::system) + 1);

constexpr auto kLevelNames =
    std::to_array<std::string_view>({"error", "warning", "info", "debug", "trace"});
static_assert(kLevelNames.size() == static_cast<std::size_t>(Level::trace) + 1);

constexpr auto kGroupNames =
    std::to_array<std::string_view>({"DMN", "IKE", "CHD", "NET", "ENC", "CFG", "KNL"});
static_assert(kGroupNames.size() == static_cast<std::size_t>(Group::knl) + 1);

template <std::size_t N, class E>
constexpr std::string_view name_in(const std::array<std::string_view, N>& names, E value) {
  const auto index = static_cast<std::size_t>(value);
  return index < N ? names[index] : std::string_view("unknown");
}

}  // namespace

const Info& info_of(const Event& event) {
  return visit_info(event, [](const Info& info, const auto&) -> const Info& { return info; });
}

std::string text_of(const Event& event) {
  const std::string subject = subject_text(event.subject);
  return subject.empty() ? sentence_of(event) : subject + ": " + sentence_of(event);
}

std::string sentence_of(const Event& event) {
  return visit_info(event, [](const Info& info, const auto& body) {
    return substitute(info.text, named_texts(body));
  });
}

std::vector<NamedText> fields_of(const Event& event) {
  return visit_info(event, [](const Info&, const auto& body) { return named_texts(body); });
}

std::string_view name_of(Reason reason) { return name_in(kReasonNames, reason); }
std::string_view name_of(Level level) { return name_in(kLevelNames, level); }
std::string_view name_of(Group group) { return name_in(kGroupNames, group); }

void Counters::for_each(const std::function<void(std::string_view, std::uint64_t)>& f) const {
  [&]<std::size_t... I>(std::index_sequence<I...>) {
    (f(std::variant_alternative_t<I, Body>::kInfo.name, counts_[I]), ...);
  }(std::make_index_sequence<std::variant_size_v<Body>>{});
}

}  // namespace culvert::trace
