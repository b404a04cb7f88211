#include "daemon/signer_message.h"

#include <algorithm>

namespace culvert::signer {
namespace {

constexpr std::uint8_t kNoHash = 0xff;

void write_field(Writer& writer, ByteView field) {
  writer.integer(static_cast<std::uint32_t>(field.size()));
  writer.bytes(field);
}
Result<ByteView> read_field(Reader& reader) { return reader.take(TRY(reader.u32())); }
Result<SecretBytes> read_secret(Reader& reader) { return SecretBytes(TRY(read_field(reader))); }

Result<KeyId> read_key(Reader& reader) {
  KeyId key;
  std::ranges::copy(TRY(reader.take(key.size())), key.begin());
  return key;
}

Result<SignatureScheme> read_scheme(Reader& reader) {
  const auto kind = TRY(reader.u8()), hash = TRY(reader.u8());
  SignatureScheme scheme{static_cast<SignatureKind>(kind), std::nullopt, TRY(reader.u16())};
  if (kind > static_cast<std::uint8_t>(SignatureKind::ed448) ||
      (hash != kNoHash && hash > static_cast<std::uint8_t>(Hash::sha2_512)))
    return reader.bad(Reason::bad_value);
  if (hash != kNoHash) scheme.hash = static_cast<Hash>(hash);
  return scheme;
}

struct Encoder {
  Writer& writer;
  void operator()(const LoadKeyFile& load) const {
    write_field(writer, load.path.view());
    write_field(writer, load.password_path.view());
  }
  void operator()(const LoadKey& load) const {
    write_field(writer, load.file.view());
    write_field(writer, load.password.view());
  }
  void operator()(const ForgetKey& forget) const { writer.bytes(forget.key); }
  void operator()(const Sign& sign) const {
    writer.bytes(sign.key);
    writer.u8(static_cast<std::uint8_t>(sign.scheme.kind));
    writer.u8(sign.scheme.hash ? static_cast<std::uint8_t>(*sign.scheme.hash) : kNoHash);
    writer.integer(sign.scheme.salt_size);
    write_field(writer, sign.octets);
  }
};

constexpr std::size_t kRoomForRest = 64;  // all but the fields of variable length
struct FieldSizes {
  std::size_t operator()(const LoadKeyFile& load) const {
    return load.path.size() + load.password_path.size();
  }
  std::size_t operator()(const LoadKey& load) const {
    return load.file.size() + load.password.size();
  }
  std::size_t operator()(const ForgetKey&) const { return 0; }
  std::size_t operator()(const Sign& sign) const { return sign.octets.size(); }
};

Result<Request> read_request(Reader& reader) {
  Request request{TRY(reader.u64()), {}};
  switch (TRY(reader.u8())) {
    case 0: {
      auto path = TRY(read_secret(reader));
      request.what = LoadKeyFile{std::move(path), TRY(read_secret(reader))};
      return request;
    }
    case 1: {
      auto file = TRY(read_secret(reader));
      request.what = LoadKey{std::move(file), TRY(read_secret(reader))};
      return request;
    }
    case 2:
      request.what = ForgetKey{TRY(read_key(reader))};
      return request;
    case 3: {
      const KeyId key = TRY(read_key(reader));
      const SignatureScheme scheme = TRY(read_scheme(reader));
      request.what = Sign{key, scheme, to_bytes(TRY(read_field(reader)))};
      return request;
    }
    default:
      return reader.bad(Reason::unsupported);
  }
}

}  // namespace

SecretBytes encode(const Request& request) {
  // Large enough that it never grows: what it would leave behind might be a key.
  Bytes octets;
  octets.reserve(kRoomForRest + std::visit(FieldSizes{}, request.what));
  Writer writer(octets);
  writer.integer(request.id);
  writer.u8(static_cast<std::uint8_t>(request.what.index()));
  std::visit(Encoder{writer}, request.what);
  SecretBytes message{ByteView(octets)};
  secure_zero(octets);
  return message;
}

Result<Request> decode_request(ByteView octets) {
  Reader reader(octets);
  auto request = TRY(read_request(reader));
  if (!reader.empty()) return reader.bad(Reason::bad_length);
  return request;
}

Bytes encode(const Answer& answer) {
  Bytes octets;
  Writer writer(octets);
  writer.integer(answer.id);
  writer.u8(answer.success ? 1 : 0);
  writer.bytes(answer.octets);
  return octets;
}

Result<Answer> decode_answer(ByteView octets) {
  Reader reader(octets);
  const auto id = TRY(reader.u64());
  const bool success = TRY(reader.u8()) == 1;
  return Answer{id, success, to_bytes(reader.rest())};
}

}  // namespace culvert::signer
