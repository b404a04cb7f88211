// Every output is E_K(rotate(TEMP xor OPc, r) xor c) xor OPc with constants of its own
// (3GPP TS 35.206, 4.1), where TEMP = E_K(RAND xor OPc).
#include "eap/milenage.h"

#include <algorithm>

namespace culvert::eap::milenage {
namespace {

Block xored(ByteView a, ByteView b) {
  Block out;
  std::ranges::transform(a, b, out.begin(),
                         [](auto x, auto y) { return static_cast<std::uint8_t>(x ^ y); });
  return out;
}

Result<Block> encrypt(Provider& provider, ByteView k, const Block& block) {
  Block out;
  CHECK_OK(provider.aes128_block(k, block, out));
  return out;
}

Result<Block> temp(Provider& provider, const Keys& keys, ByteView rand) {
  if (rand.size() != Block{}.size() || keys.k.size() != kKeySize || keys.opc.size() != kKeySize)
    return fail(Fault::internal, Reason::invalid_argument);
  return encrypt(provider, keys.k.view(), xored(rand, keys.opc.view()));
}

// One output: `input` is rotated to the left by `octets`, and `constant` is c, which has but one
// octet that is not zero. `other` is xored in last, before the encryption.
Result<Block> output(Provider& provider, const Keys& keys, const Block& input, std::size_t octets,
                     std::uint8_t constant, const Block& other) {
  Block rotated = input;
  std::ranges::rotate(rotated, rotated.begin() + static_cast<std::ptrdiff_t>(octets));
  rotated.back() ^= constant;
  const Block sealed = TRY(encrypt(provider, keys.k.view(), xored(rotated, other)));
  return xored(sealed, keys.opc.view());
}

template <std::size_t Size>
std::array<std::uint8_t, Size> part(const Block& block, std::size_t at) {
  std::array<std::uint8_t, Size> out;
  std::ranges::copy(ByteView(block).subspan(at, Size), out.begin());
  return out;
}

}  // namespace

Result<Block> opc_of(Provider& provider, ByteView k, ByteView op) {
  if (k.size() != kKeySize || op.size() != kKeySize)
    return fail(Fault::internal, Reason::invalid_argument);
  Block block;
  std::ranges::copy(op, block.begin());
  return xored(TRY(encrypt(provider, k, block)), op);
}

Result<Macs> f1(Provider& provider, const Keys& keys, ByteView rand, const Six& sqn,
                std::uint16_t amf) {
  const Block start = TRY(temp(provider, keys, rand));
  Block in1;  // SQN | AMF | SQN | AMF
  for (std::size_t half = 0; half < 16; half += 8) {
    std::ranges::copy(sqn, in1.begin() + static_cast<std::ptrdiff_t>(half));
    store_be(in1.data() + half + sqn.size(), amf);
  }
  const Block out = TRY(output(provider, keys, xored(in1, keys.opc.view()), 8, 0, start));
  return Macs{part<8>(out, 0), part<8>(out, 8)};
}

Result<Answers> f2345(Provider& provider, const Keys& keys, ByteView rand) {
  const Block start = TRY(temp(provider, keys, rand));
  const Block input = xored(start, keys.opc.view());
  const Block out2 = TRY(output(provider, keys, input, 0, 1, {}));
  const Block ck = TRY(output(provider, keys, input, 4, 2, {}));
  const Block ik = TRY(output(provider, keys, input, 8, 4, {}));
  const Block out5 = TRY(output(provider, keys, input, 12, 8, {}));
  return Answers{part<8>(out2, 8), ck, ik, part<6>(out2, 0), part<6>(out5, 0)};
}

Gsm gsm_of(const Answers& answers) {
  Gsm gsm;
  for (std::size_t i = 0; i < 4; ++i)
    gsm.sres[i] = static_cast<std::uint8_t>(answers.res[i] ^ answers.res[i + 4]);
  for (std::size_t i = 0; i < 8; ++i)
    gsm.kc[i] = static_cast<std::uint8_t>(answers.ck[i] ^ answers.ck[i + 8] ^ answers.ik[i] ^
                                          answers.ik[i + 8]);
  return gsm;
}

Six sqn_octets(std::uint64_t sqn) {
  std::array<std::uint8_t, 8> octets;
  store_be(octets.data(), sqn);
  Six six;
  std::ranges::copy(ByteView(octets).subspan(2), six.begin());
  return six;
}

std::uint64_t sqn_of(const Six& octets) {
  std::uint64_t sqn = 0;
  for (const std::uint8_t octet : octets) sqn = sqn << 8 | octet;
  return sqn;
}

}  // namespace culvert::eap::milenage
