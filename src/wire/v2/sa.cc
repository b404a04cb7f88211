// The Security Association payload: proposals hold transforms hold attributes, each with a length
// that must agree with what it holds (RFC 7296, 3.3).
#include "wire/v2/sa.h"

#include <algorithm>

#include "base/limits.h"

namespace culvert::wire {
namespace {

// RFC 7296, 3.3.1 and 3.3.2: what the Last Substruc field says when more follow.
constexpr std::uint8_t kMoreProposals = 2;
constexpr std::uint8_t kMoreTransforms = 3;
constexpr std::size_t kProposalHeaderSize = 8;
constexpr std::size_t kTransformHeaderSize = 8;
constexpr std::uint16_t kShortFormFlag = 0x8000;

// Reads the header that proposals and transforms share and returns a reader over the rest of the
// substructure, checking that the Last Substruc field tells the truth.
Result<Reader> decode_substructure(Reader& reader, std::uint8_t more) {
  const Reader start = reader;
  const std::uint8_t last = TRY(reader.u8());
  CHECK_OK(reader.u8());  // reserved
  const std::uint16_t length = TRY(reader.u16());
  if (length < 4) return start.bad(Reason::bad_length);
  Reader body = TRY(reader.nested(length - 4));
  if (last != (reader.empty() ? 0 : more)) return start.bad(Reason::bad_value);
  return body;
}

Result<Attribute> decode_attribute(Reader& reader) {
  Attribute attribute;
  const std::uint16_t type = TRY(reader.u16());
  const std::uint16_t value = TRY(reader.u16());
  attribute.type = type & ~kShortFormFlag;
  attribute.short_form = type & kShortFormFlag;
  if (attribute.short_form)
    attribute.value = value;
  else
    attribute.data = to_bytes(TRY(reader.take(value)));
  return attribute;
}

Result<Transform> decode_transform(Reader& reader) {
  Transform transform;
  transform.type = TransformType{TRY(reader.u8())};
  CHECK_OK(reader.u8());  // reserved
  transform.id = TRY(reader.u16());
  while (!reader.empty()) {
    Attribute attribute = TRY(decode_attribute(reader));
    const bool key_length = attribute.type == kKeyLengthAttribute && attribute.short_form;
    if (key_length && attribute.value != 0 && transform.key_bits == 0)
      transform.key_bits = attribute.value;
    else
      transform.others.push_back(std::move(attribute));
  }
  return transform;
}

bool spi_size_is_valid(ProtocolId protocol, std::size_t size) {
  switch (protocol) {
    case ProtocolId::ike:
      return size == 0 || size == 8;
    case ProtocolId::ah:
    case ProtocolId::esp:
      return size == 4;
    default:
      return true;
  }
}

Result<Proposal> decode_proposal(Reader& reader) {
  Proposal proposal;
  proposal.number = TRY(reader.u8());
  proposal.protocol = ProtocolId{TRY(reader.u8())};
  const Reader at_spi_size = reader;
  const std::uint8_t spi_size = TRY(reader.u8());
  if (!spi_size_is_valid(proposal.protocol, spi_size)) return at_spi_size.bad(Reason::bad_value);
  const Reader at_count = reader;
  const std::uint8_t transform_count = TRY(reader.u8());
  proposal.spi = to_bytes(TRY(reader.take(spi_size)));
  // Bounded by what is there, not by what the count claims.
  proposal.transforms.reserve(
      std::min<std::size_t>(transform_count, reader.remaining() / kTransformHeaderSize));
  while (!reader.empty()) {
    if (proposal.transforms.size() == transform_count) return at_count.bad(Reason::bad_length);
    Reader body = TRY(decode_substructure(reader, kMoreTransforms));
    proposal.transforms.push_back(TRY(decode_transform(body)));
  }
  if (proposal.transforms.size() != transform_count) return at_count.bad(Reason::bad_length);
  return proposal;
}

std::size_t size_of(const Transform& transform) {
  std::size_t size = kTransformHeaderSize + (transform.key_bits != 0 ? 4 : 0);
  for (const Attribute& attribute : transform.others) size += 4 + attribute.data.size();
  return size;
}

void encode_attribute(const Attribute& attribute, Writer& writer) {
  if (attribute.short_form) {
    writer.u16(attribute.type | kShortFormFlag);
    writer.u16(attribute.value);
    return;
  }
  writer.u16(attribute.type);
  writer.u16(static_cast<std::uint16_t>(attribute.data.size()));
  writer.bytes(attribute.data);
}

void encode_transform(const Transform& transform, bool last, Writer& writer) {
  const std::size_t start = writer.size();
  writer.u8(last ? 0 : kMoreTransforms);
  writer.u8(0);
  const LengthScope length(writer, start);
  writer.u8(static_cast<std::uint8_t>(transform.type));
  writer.u8(0);
  writer.u16(transform.id);
  if (transform.key_bits != 0)
    encode_attribute({kKeyLengthAttribute, true, transform.key_bits, {}}, writer);
  for (const Attribute& attribute : transform.others) encode_attribute(attribute, writer);
}

void encode_proposal(const Proposal& proposal, bool last, Writer& writer) {
  const std::size_t start = writer.size();
  writer.u8(last ? 0 : kMoreProposals);
  writer.u8(0);
  const LengthScope length(writer, start);
  writer.u8(proposal.number);
  writer.u8(static_cast<std::uint8_t>(proposal.protocol));
  writer.u8(static_cast<std::uint8_t>(proposal.spi.size()));
  writer.u8(static_cast<std::uint8_t>(proposal.transforms.size()));
  writer.bytes(proposal.spi);
  for (const Transform& transform : proposal.transforms)
    encode_transform(transform, &transform == &proposal.transforms.back(), writer);
}

}  // namespace

Result<Sa> Sa::decode(Reader& reader) {
  Sa sa;
  do {
    const Reader start = reader;
    if (sa.proposals.size() == limits::kMaxProposals) return start.bad(Reason::too_large);
    Reader body = TRY(decode_substructure(reader, kMoreProposals));
    Proposal proposal = TRY(decode_proposal(body));
    // RFC 7296, 3.3: one greater than the previous. An answer starts at the number it chose.
    if (!sa.proposals.empty() && proposal.number != sa.proposals.back().number + 1)
      return start.bad(Reason::bad_value);
    sa.proposals.push_back(std::move(proposal));
  } while (!reader.empty());
  return sa;
}

void Sa::encode(Writer& writer) const {
  for (const Proposal& proposal : proposals)
    encode_proposal(proposal, &proposal == &proposals.back(), writer);
}

std::size_t Sa::encoded_size() const {
  std::size_t size = 0;
  for (const Proposal& proposal : proposals) {
    size += kProposalHeaderSize + proposal.spi.size();
    for (const Transform& transform : proposal.transforms) size += size_of(transform);
  }
  return size;
}

}  // namespace culvert::wire
