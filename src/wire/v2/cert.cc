// The Certificate and Certificate Request payloads' reading and writing.
#include "wire/v2/cert.h"

namespace culvert::wire {

Result<Cert> Cert::decode(Reader& reader) {
  Cert cert;
  cert.encoding = TRY(reader.u8());
  cert.data = to_bytes(reader.rest());
  return cert;
}

void Cert::encode(Writer& writer) const {
  writer.u8(encoding);
  writer.bytes(data);
}

Result<CertReq> CertReq::decode(Reader& reader) {
  CertReq request;
  request.encoding = TRY(reader.u8());
  request.data = to_bytes(reader.rest());
  return request;
}

void CertReq::encode(Writer& writer) const {
  writer.u8(encoding);
  writer.bytes(data);
}

}  // namespace culvert::wire
