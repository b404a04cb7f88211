// Owns the only use of the JSON library, which takes long to compile.
#include "cli/json.h"

#include <nlohmann/json.hpp>

namespace culvert::cli {
namespace {

using Json = nlohmann::ordered_json;

Json convert(const vici::Section& section) {
  Json object = Json::object();
  for (const auto& element : section.elements()) {
    if (const auto* text = std::get_if<std::string>(&element.value)) {
      object[element.name] = *text;
    } else if (const auto* list = std::get_if<vici::List>(&element.value)) {
      object[element.name] = *list;
    } else {
      object[element.name] = convert(std::get<vici::Section>(element.value));
    }
  }
  return object;
}

}  // namespace

std::string to_json(const vici::Message& message) {
  // Names and identities need not be UTF-8; JSON must be.
  return convert(message).dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace culvert::cli
