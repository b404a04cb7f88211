// The Certificate and Certificate Request payloads: RFC 7296, 3.6 and 3.7.
#pragma once

#include "base/bytes.h"
#include "wire/registry.h"

namespace culvert::wire {

struct Cert {
  std::uint8_t encoding = 0;  // a CertEncoding
  Bytes data;
  bool operator==(const Cert&) const = default;

  static Result<Cert> decode(Reader& reader);
  void encode(Writer& writer) const;
  std::size_t encoded_size() const { return 1 + data.size(); }
};

struct CertReq {
  std::uint8_t encoding = 0;  // a CertEncoding
  Bytes data;                 // for X.509: SHA-1 hashes of trusted CAs' public keys, 20 octets each
  bool operator==(const CertReq&) const = default;

  static Result<CertReq> decode(Reader& reader);
  void encode(Writer& writer) const;
  std::size_t encoded_size() const { return 1 + data.size(); }
};

}  // namespace culvert::wire
