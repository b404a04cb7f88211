// Messages with an Encrypted payload: RFC 7296, 3.14; RFC 5282 and RFC 7634 for AEADs; RFC 5930
// for counter mode; fragments by RFC 7383. Order of work on receipt: lengths, integrity,
// decryption, padding, payloads.
#pragma once

#include <span>
#include <vector>

#include "crypto/provider.h"
#include "wire/v2/message.h"

namespace culvert::wire {

// Keys of one direction of an IKE SA: SK_e with its salt, SK_a (empty for AEADs).
struct ProtectionKeys {
  CipherSpec cipher;
  ByteView encryption;
  ByteView integrity;
};

// header | SK{payloads} as one datagram. next_payload and length of `header` are filled in.
// `iv_counter` is the IV of AEADs and of counter mode and must never repeat under one key; CBC
// takes its IV from provider.random(). Errors: unsupported (cipher), too_large.
Result<Bytes> seal_message(Provider& provider, const ProtectionKeys& keys, const Header& header,
                           std::span<const Payload> payloads, std::uint64_t iv_counter);

// The same in datagrams of at most max_datagram octets (UDP payload, without a non-ESP marker):
// one with SK when that is enough, else SKF fragments in order. Datagram i takes
// iv_counter + i, so the caller's counter moves on by the number of datagrams.
// Fails with too_large also when more than 65,535 fragments, or max_datagram below a fragment's
// overhead, would be needed.
Result<std::vector<Bytes>> seal_fragments(Provider& provider, const ProtectionKeys& keys,
                                          const Header& header, std::span<const Payload> payloads,
                                          std::uint64_t iv_counter, std::size_t max_datagram);

// What an SK payload holds, verified and decrypted: a chain for decode_payloads().
struct Opened {
  PayloadType inner = PayloadType::none;
  Bytes plaintext;  // without padding
};
// `datagram` is a whole message whose first payload is SK. Errors: truncated, bad_length,
// unsupported_version; bad_order when an unprotected payload stands before SK; missing_payload when
// the message has no SK; bad_integrity; and, once verified, bad_padding with INVALID_SYNTAX.
Result<Opened> open_encrypted(Provider& provider, const ProtectionKeys& keys, ByteView datagram);

// open_encrypted(), then decode_payloads(). Error offsets count from the start of the datagram, as
// if its SK payload held plaintext where the ciphertext is.
Result<std::vector<Payload>> open_message(Provider& provider, const ProtectionKeys& keys,
                                          ByteView datagram);

// One verified fragment. The chunks of numbers 1 to total, joined, make the plaintext of the SK
// payload, and `inner` of number 1 is its first type.
struct Fragment {
  std::uint16_t number = 1;
  std::uint16_t total = 1;
  PayloadType inner = PayloadType::none;
  Bytes plaintext;
};
// Where a fragment belongs, without verifying anything. Errors as open_fragment()'s before it
// verifies.
Result<FragmentPosition> peek_fragment(ByteView datagram);
// `datagram` is a whole message whose first payload is SKF. Errors as open_encrypted(); bad_value
// for impossible counters (RFC 7383, 2.6: discard silently).
Result<Fragment> open_fragment(Provider& provider, const ProtectionKeys& keys, ByteView datagram);

}  // namespace culvert::wire
