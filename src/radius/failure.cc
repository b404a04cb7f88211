#include "radius/failure.h"

#include <fmt/format.h>

namespace culvert::radius {

std::string Failure::to_string() const {
  const double seconds = std::chrono::duration<double>(waited).count();
  switch (kind) {
    case Kind::silent:
      return fmt::format(
          "RADIUS is silent: no answer from {} in {:.1f} s; check that the server runs, and that "
          "it knows this machine's address as a client",
          servers, seconds);
    case Kind::wrong_secret:
      return fmt::format(
          "the answers of RADIUS server {} have a wrong authenticator: the shared secrets differ; "
          "make `secret` here and the server's the same",
          servers);
    case Kind::missing_message_authenticator:
      return fmt::format(
          "the answers of RADIUS server {} have no Message-Authenticator, so anyone on the way "
          "could forge them (CVE-2024-3596); update the server or let it send one",
          servers);
    case Kind::malformed:
      return fmt::format(
          "what RADIUS server {} answered is no answer to what it was asked; check its address "
          "and port",
          servers);
    case Kind::overloaded:
      return fmt::format(
          "too many requests wait for RADIUS server {}; add servers, or raise `sockets`", servers);
    case Kind::unsendable:
      return fmt::format("the request to RADIUS server {} is larger than RADIUS allows", servers);
    case Kind::no_server:
      break;
  }
  return "no RADIUS server is configured; add one";
}

}  // namespace culvert::radius
