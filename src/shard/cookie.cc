#include "shard/cookie.h"

namespace culvert {
namespace {

constexpr Duration kSecretLife = std::chrono::minutes(1);

}  // namespace

void CookieJar::rotate(TimePoint now) {
  if (now < next_rotation_) return;
  // Unused for longer than a secret's life: the one before is too old as well.
  if (next_rotation_ == TimePoint::min() || now - next_rotation_ >= kSecretLife)
    provider_.random(secrets_[number_ & 1]);
  ++number_;
  provider_.random(secrets_[number_ & 1]);
  next_rotation_ = now + kSecretLife;
}

Bytes CookieJar::value(std::uint8_t number, ByteView nonce_i, const Endpoint& peer,
                       std::uint64_t spi_i) {
  Bytes cookie(33);
  cookie[0] = number;
  std::uint8_t port[2], spi[8];
  store_be(port, peer.port);
  store_be(spi, spi_i);
  if (!provider_.prf(Prf::hmac_sha2_256, secrets_[number & 1],
                     {nonce_i, peer.address.bytes(), port, spi}, MutableBytes(cookie).subspan(1)))
    cookie.clear();
  return cookie;
}

Bytes CookieJar::make(ByteView nonce_i, const Endpoint& peer, std::uint64_t spi_i, TimePoint now) {
  rotate(now);
  return value(number_, nonce_i, peer, spi_i);
}

bool CookieJar::verify(ByteView cookie, ByteView nonce_i, const Endpoint& peer, std::uint64_t spi_i,
                       TimePoint now) {
  rotate(now);
  if (cookie.empty()) return false;
  const std::uint8_t age = static_cast<std::uint8_t>(number_ - cookie[0]);
  return age <= 1 && equal_constant_time(cookie, value(cookie[0], nonce_i, peer, spi_i));
}

}  // namespace culvert
