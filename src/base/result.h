// The error value of everything above the purity line: small, allocation-free, turned into words
// by trace/. RFC 7296, 2.21 says how an implementation answers errors; `notify` carries that
// answer.
#pragma once

#include <cstdint>
#include <expected>
#include <utility>

namespace culvert {

// Whose fault it is, which decides how loudly we speak and whether the peer hears of it.
enum class Fault : std::uint8_t {
  peer_misbehaved,    // the message breaks the protocol
  peer_incompatible,  // a valid message we can't agree with
  local_policy,       // our configuration refuses or lacks something
  internal,           // a limit, the system, or an invariant of ours
};

// What exactly went wrong. One enumerator per thing worth telling apart in a log line.
enum class Reason : std::uint8_t {
  truncated,             // the buffer ends before the field does
  bad_length,            // a length field contradicts its surroundings
  bad_value,             // a field holds a value the RFC forbids there
  bad_order,             // payloads stand in an order the RFC forbids
  missing_payload,       // a payload that the exchange requires is absent
  unexpected_payload,    // a payload that the exchange forbids is present
  unsupported_critical,  // unknown payload type with the critical bit set
  unsupported_version,   // major version other than ours
  too_large,             // exceeds a bound in base/limits.h
  bad_integrity,         // checksum or tag does not verify
  bad_padding,           // decrypted padding is malformed
  bad_public_value,      // key-exchange value fails its check (RFC 6989, RFC 8031)
  unsupported,           // an algorithm or feature this build lacks
  no_match,              // no element of ours equals an element of theirs
  not_found,             // the thing named does not exist
  refused,               // policy says no
  exhausted,             // a budget or pool is empty
  invalid_argument,      // a caller's value is out of range (configuration, vici)
  system,                // the operating system or a library failed
};

struct Error {
  Fault fault = Fault::internal;
  Reason reason = Reason::system;
  std::uint16_t notify = 0;  // IKEv2 notify type that answers it; 0 when silence does
  std::uint32_t offset = 0;  // octet of the message (or column of the text) that is to blame
  bool operator==(const Error&) const = default;
};

template <class T = void>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(Fault fault, Reason reason, std::uint16_t notify = 0,
                                   std::uint32_t offset = 0) {
  return std::unexpected(Error{fault, reason, notify, offset});
}

}  // namespace culvert

// Evaluates to the value of a Result, or returns its error from the enclosing function.
#define TRY(...)                                                                        \
  __extension__({                                                                       \
    auto&& try_result_ = (__VA_ARGS__);                                                 \
    if (!try_result_) [[unlikely]]                                                      \
      return std::unexpected(std::forward<decltype(try_result_)>(try_result_).error()); \
    *std::forward<decltype(try_result_)>(try_result_);                                  \
  })

// Evaluates to the value of a Result, or returns its error from the enclosing function; for
// Result<void>, where there is no value to yield.
#define CHECK_OK(...)                                                                   \
  do {                                                                                  \
    if (auto&& try_result_ = (__VA_ARGS__); !try_result_) [[unlikely]]                  \
      return std::unexpected(std::forward<decltype(try_result_)>(try_result_).error()); \
  } while (false)
