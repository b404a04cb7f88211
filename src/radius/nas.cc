#include "radius/nas.h"

#include <fmt/format.h>

namespace culvert::radius {
namespace {

// RFC 2865, 5.6 and 5.41; RFC 2869, 5.17.
constexpr std::uint32_t kServiceFramed = 2;
constexpr std::uint32_t kPortVirtual = 5;

}  // namespace

std::string station_id(const Endpoint& endpoint) {
  return fmt::format("{}[{}]", endpoint.address.to_string(), endpoint.port);
}

void add_port(AttributeWriter& writer, const Port& port) {
  writer.add(Type::service_type, kServiceFramed);
  writer.add(Type::nas_port_type, kPortVirtual);
  writer.add(Type::nas_port, port.number);
  writer.add(Type::nas_port_id, port.connection);
  writer.add(Type::called_station_id, station_id(port.local));
  writer.add(Type::calling_station_id, station_id(port.remote));
}

}  // namespace culvert::radius
