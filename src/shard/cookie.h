// Stateless cookies: RFC 7296, 2.6.
#pragma once

#include <array>

#include "base/time.h"
#include "crypto/provider.h"
#include "net/address.h"

namespace culvert {

// Cookie = secret's number | prf(secret, Ni | IPi, port | SPIi). The secret changes every minute
// and the one before stays good, so that a cookie lives one to two minutes.
class CookieJar {
 public:
  explicit CookieJar(Provider& provider) : provider_(provider) {}

  Bytes make(ByteView nonce_i, const Endpoint& peer, std::uint64_t spi_i, TimePoint now);
  bool verify(ByteView cookie, ByteView nonce_i, const Endpoint& peer, std::uint64_t spi_i,
              TimePoint now);

 private:
  using Secret = std::array<std::uint8_t, 32>;
  void rotate(TimePoint now);
  Bytes value(std::uint8_t number, ByteView nonce_i, const Endpoint& peer, std::uint64_t spi_i);

  Provider& provider_;
  std::array<Secret, 2> secrets_{};  // by the number's lowest bit
  std::uint8_t number_ = 0;
  TimePoint next_rotation_ = TimePoint::min();
};

}  // namespace culvert
