// Why a request to RADIUS servers came to nothing, as a value and as a sentence.
#pragma once

#include <string>

#include "base/time.h"

namespace culvert::radius {

struct Failure {
  enum class Kind : std::uint8_t {
    silent,        // no server answered
    wrong_secret,  // answers came whose authenticator is wrong
    missing_message_authenticator,
    malformed,   // answers came that are no RADIUS packets, or of the wrong kind
    overloaded,  // too many requests wait for an identifier
    unsendable,  // larger than a packet may be, or the provider failed
    no_server    // none is configured
  };
  Kind kind = Kind::silent;
  std::string servers;  // those that were asked: "aaa1 (192.0.2.1:1812), aaa2 (…)"
  Duration waited{};

  // One sentence with what to change: it explains a login that failed.
  std::string to_string() const;
};

}  // namespace culvert::radius
