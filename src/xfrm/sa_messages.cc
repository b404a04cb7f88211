// Requests about the SAD.
// Invariant: what a message holds depends on its arguments alone.
#include <arpa/inet.h>
#include <libmnl/libmnl.h>
#include <linux/udp.h>
#include <netinet/in.h>

#include <algorithm>

#include "esp/netlink_attributes.h"
#include "xfrm/algorithms.h"
#include "xfrm/kernel_types.h"
#include "xfrm/messages.h"

namespace culvert::xfrm {
namespace {

using esp::for_each_attribute;

constexpr std::uint32_t kMaxReplayWindow = XFRMA_REPLAY_ESN_MAX;  // packets
constexpr std::uint32_t kSilent = 0xffff'ffff;
// Packets that other processors may send while an SA moves; no peer's window is so small that they
// matter to it.
constexpr std::uint32_t kSequenceGap = 1'024;

void put_mark(nlmsghdr* message, const Mark& mark) {
  if (!mark) return;
  const xfrm_mark value{mark.value, mark.mask};
  mnl_attr_put(message, XFRMA_MARK, sizeof value, &value);
}

// An algorithm's structure ends in the key.
template <class Header>
void put_algorithm(nlmsghdr* message, std::uint16_t type, const Header& header, ByteView key) {
  std::uint8_t value[sizeof(Header) + 128];
  std::memcpy(value, &header, sizeof header);
  std::ranges::copy(key, value + sizeof header);
  mnl_attr_put(message, type, sizeof header + key.size(), value);
  secure_zero(value);
}

template <class Header>
Header algorithm(const char* name, ByteView key) {
  Header header{};
  std::strncpy(header.alg_name, name, sizeof header.alg_name - 1);
  header.alg_key_len = static_cast<unsigned>(key.size() * 8);
  return header;
}

void put_cipher(nlmsghdr* message, const KernelCipher& cipher, const SaKeys& keys) {
  const ByteView encryption = keys.encryption.view(), integrity = keys.integrity.view();
  if (cipher.aead) {
    auto header = algorithm<xfrm_algo_aead>(cipher.aead, encryption);
    header.alg_icv_len = cipher.icv_bits;
    return put_algorithm(message, XFRMA_ALG_AEAD, header, encryption);
  }
  if (cipher.encryption)
    put_algorithm(message, XFRMA_ALG_CRYPT, algorithm<xfrm_algo>(cipher.encryption, encryption),
                  encryption);
  auto header = algorithm<xfrm_algo_auth>(cipher.integrity, integrity);
  header.alg_trunc_len = cipher.icv_bits;
  put_algorithm(message, XFRMA_ALG_AUTH_TRUNC, header, integrity);
}

void put_encapsulation(nlmsghdr* message, std::uint16_t source_port,
                       std::uint16_t destination_port) {
  xfrm_encap_tmpl encap{};
  encap.encap_type = UDP_ENCAP_ESPINUDP;
  encap.encap_sport = htons(source_port);
  encap.encap_dport = htons(destination_port);
  mnl_attr_put(message, XFRMA_ENCAP, sizeof encap, &encap);
}

// The bitmap follows the structure. Sequence numbers start at zero.
void put_replay_state(nlmsghdr* message, std::uint32_t window) {
  const std::uint32_t words = (window + 31) / 32;
  std::uint8_t value[sizeof(xfrm_replay_state_esn) + kMaxReplayWindow / 8] = {};
  xfrm_replay_state_esn state{};
  state.bmp_len = words;
  state.replay_window = window;
  std::memcpy(value, &state, sizeof state);
  mnl_attr_put(message, XFRMA_REPLAY_ESN_VAL, sizeof state + words * 4, value);
}

std::uint64_t limit(std::uint64_t value) { return value == 0 ? XFRM_INF : value; }

std::uint64_t soft_limit(std::uint64_t rekey, std::uint64_t spread, double jitter) {
  if (rekey == 0) return XFRM_INF;
  const auto earlier =
      static_cast<std::uint64_t>(static_cast<double>(std::min(spread, rekey - 1)) * jitter);
  return rekey - earlier;
}

xfrm_lifetime_cfg lifetime_of(const Lifetime& life, double jitter) {
  xfrm_lifetime_cfg lifetime{};  // seconds are the shard's business
  lifetime.hard_add_expires_seconds = kOwnersAge;
  lifetime.soft_byte_limit = soft_limit(life.rekey_bytes, life.rand_bytes, jitter);
  lifetime.hard_byte_limit = limit(life.life_bytes);
  lifetime.soft_packet_limit = soft_limit(life.rekey_packets, life.rand_packets, jitter);
  lifetime.hard_packet_limit = limit(life.life_packets);
  return lifetime;
}

std::uint8_t mode_number(Mode mode) {
  return mode == Mode::transport ? XFRM_MODE_TRANSPORT
         : mode == Mode::beet    ? XFRM_MODE_BEET
                                 : XFRM_MODE_TUNNEL;
}

// BEET has no inner header, so the SA itself knows the inner addresses.
xfrm_selector inner_selector(const InstallSa& sa) {
  xfrm_selector selector{};
  if (sa.mode != Mode::beet || sa.local_ts.empty() || sa.remote_ts.empty()) return selector;
  const IpAddress& local = sa.local_ts[0].first;
  const IpAddress& remote = sa.remote_ts[0].first;
  const bool in = sa.direction == Direction::in;
  selector.family = family_number(local.family());
  selector.saddr = to_kernel(in ? remote : local);
  selector.daddr = to_kernel(in ? local : remote);
  selector.prefixlen_s = selector.prefixlen_d = static_cast<std::uint8_t>(local.bits());
  return selector;
}

xfrm_usersa_info sa_info(const InstallSa& sa, const SaName& name, Mode mode) {
  xfrm_usersa_info info{};
  const bool in = sa.direction == Direction::in;
  info.id.daddr = to_kernel(name.destination);
  info.id.spi = htonl(name.spi);
  info.id.proto = name.protocol;
  info.saddr = to_kernel(in ? sa.remote.address : sa.local.address);
  info.family = family_number(name.destination.family());
  info.mode = mode_number(mode);
  info.reqid = sa.reqid;
  // Inner packets of either family.
  if (mode == Mode::tunnel) info.flags |= XFRM_STATE_AF_UNSPEC;
  // RFC 4302, 2.2: an IPv4 AH header ends at 32 bits, and Linux would go to 64.
  if (name.protocol == IPPROTO_AH && name.destination.is_v4()) info.flags |= XFRM_STATE_ALIGN4;
  if (!sa.copy_ecn) info.flags |= XFRM_STATE_NOECN;
  if (!sa.copy_df) info.flags |= XFRM_STATE_NOPMTUDISC;
  if (sa.copy_dscp == CopyDscp::in || sa.copy_dscp == CopyDscp::yes)
    info.flags |= XFRM_STATE_DECAP_DSCP;
  info.lft = lifetime_of({}, 0);
  return info;
}

// What ESP, AH and IPComp SAs have in common besides the structure.
void put_common(nlmsghdr* message, const InstallSa& sa) {
  put_mark(message, sa.mark);
  if (sa.copy_dscp == CopyDscp::in || sa.copy_dscp == CopyDscp::no)
    mnl_attr_put_u32(message, XFRMA_SA_EXTRA_FLAGS, XFRM_SA_XFLAG_DONT_ENCAP_DSCP);
  if (sa.set_mark) {
    mnl_attr_put_u32(message, XFRMA_SET_MARK, sa.set_mark.value);
    mnl_attr_put_u32(message, XFRMA_SET_MARK_MASK, sa.set_mark.mask);
  }
  if (sa.if_id != 0) mnl_attr_put_u32(message, XFRMA_IF_ID, sa.if_id);
}

void put_direction(nlmsghdr* message, const InstallSa& sa, Mode mode) {
  const bool in = sa.direction == Direction::in;
  if (sa.udp_encap) {
    const Endpoint& from = in ? sa.remote : sa.local;
    const Endpoint& to = in ? sa.local : sa.remote;
    put_encapsulation(message, from.port, to.port);
  }
  // RFC 4303, 3.4.3; the kernel wants a window for ESN even where nothing is received.
  const std::uint32_t window = in ? std::min(sa.replay_window, kMaxReplayWindow) : 0;
  if (window != 0 || sa.esn) put_replay_state(message, std::max(window, sa.esn ? 32u : 0u));
  // The first inbound packet is told at once (see KernelPlane), an outbound one never.
  mnl_attr_put_u32(message, XFRMA_REPLAY_THRESH, in ? 1 : kSilent);
  if (!in && sa.tfc_padding != 0 && mode == Mode::tunnel && sa.protocol == IpsecProtocol::esp)
    mnl_attr_put_u32(message, XFRMA_TFCPAD, sa.tfc_padding);
}

void add_comp_sa(Batch& batch, const InstallSa& sa) {
  batch.add(XFRM_MSG_NEWSA, NLM_F_CREATE | NLM_F_EXCL, [&](nlmsghdr* message) {
    put_body(message, sa_info(sa, comp_name_of(sa), sa.mode));
    put_algorithm(message, XFRMA_ALG_COMP, algorithm<xfrm_algo>("deflate", {}), {});
    put_common(message, sa);
  });
}

xfrm_usersa_id id_of(const SaName& name) {
  xfrm_usersa_id id{};
  id.daddr = to_kernel(name.destination);
  id.spi = htonl(name.spi);
  id.family = family_number(name.destination.family());
  id.proto = name.protocol;
  return id;
}

// The kernel reports both forms of an authentication algorithm; the newer says more. The others
// are read-only, or replaced.
bool is_carried_over(unsigned type) {
  return type != XFRMA_ALG_AUTH && type != XFRMA_ENCAP && type != XFRMA_LASTUSED &&
         type != XFRMA_PAD && type != XFRMA_OFFLOAD_DEV && type != XFRMA_LTIME_VAL &&
         type != XFRMA_SRCADDR && type != XFRMA_COADDR;
}

void put_with_gap(nlmsghdr* message, std::uint16_t type, ByteView value, std::uint32_t gap) {
  Bytes copy(value.begin(), value.end());
  if (type == XFRMA_REPLAY_ESN_VAL && value.size() >= sizeof(xfrm_replay_state_esn)) {
    xfrm_replay_state_esn state;
    std::memcpy(&state, copy.data(), sizeof state);
    const std::uint64_t sequence =
        (static_cast<std::uint64_t>(state.oseq_hi) << 32 | state.oseq) + gap;
    state.oseq = static_cast<std::uint32_t>(sequence);
    state.oseq_hi = static_cast<std::uint32_t>(sequence >> 32);
    std::memcpy(copy.data(), &state, sizeof state);
  } else if (type == XFRMA_REPLAY_VAL && value.size() >= sizeof(xfrm_replay_state)) {
    xfrm_replay_state state;
    std::memcpy(&state, copy.data(), sizeof state);
    // RFC 4303, 3.3.3: a 32-bit counter must not wrap.
    state.oseq = std::max(state.oseq, state.oseq + gap);
    std::memcpy(copy.data(), &state, sizeof state);
  }
  mnl_attr_put(message, type, copy.size(), copy.data());
  secure_zero(copy);
}

}  // namespace

SaName name_of(const InstallSa& sa) {
  const bool in = sa.direction == Direction::in;
  return {in ? sa.local.address : sa.remote.address, sa.spi, static_cast<std::uint8_t>(sa.protocol),
          sa.mark};
}
SaName comp_name_of(const InstallSa& sa) {
  SaName name = name_of(sa);
  name.spi = sa.cpi;
  name.protocol = kIpcomp;
  return name;
}

Result<> add_sa(Batch& batch, const InstallSa& sa, double jitter) {
  const auto cipher = kernel_cipher(sa.cipher);
  if (!cipher || (sa.protocol == IpsecProtocol::ah && (cipher->aead || cipher->encryption)))
    return fail(Fault::local_policy, Reason::unsupported);
  if (sa.cpi != 0) add_comp_sa(batch, sa);
  const Mode mode = sa.cpi != 0 ? Mode::transport : sa.mode;
  batch.add(XFRM_MSG_NEWSA, NLM_F_CREATE | NLM_F_EXCL, [&](nlmsghdr* message) {
    xfrm_usersa_info info = sa_info(sa, name_of(sa), mode);
    info.sel = inner_selector(sa);
    info.lft = lifetime_of(sa.lifetime, jitter);
    if (sa.esn) info.flags |= XFRM_STATE_ESN;
    put_body(message, info);
    put_cipher(message, *cipher, sa.keys);
    put_common(message, sa);
    put_direction(message, sa, mode);
  });
  return {};
}

void delete_sa(Batch& batch, const SaName& name) {
  batch.add(XFRM_MSG_DELSA, 0, [&](nlmsghdr* message) {
    put_body(message, id_of(name));
    put_mark(message, name.mark);
  });
}

void get_sa(Batch& batch, const SaName& name) {
  batch.add(XFRM_MSG_GETSA, 0, [&](nlmsghdr* message) {
    put_body(message, id_of(name));
    put_mark(message, name.mark);
  });
}

void dump_sas(Batch& batch) {
  batch.add(XFRM_MSG_GETSA, NLM_F_DUMP, [](nlmsghdr*) {});
}

void set_replay_threshold(Batch& batch, const SaName& name, std::uint32_t packets) {
  batch.add(XFRM_MSG_NEWAE, NLM_F_REPLACE, [&](nlmsghdr* message) {
    xfrm_aevent_id event{};
    event.sa_id = id_of(name);
    put_body(message, event);
    put_mark(message, name.mark);
    mnl_attr_put_u32(message, XFRMA_REPLAY_THRESH, packets);
  });
}

bool add_moved_sa(Batch& batch, ByteView answer, Direction direction, const UpdateSa& to) {
  const auto* old = reinterpret_cast<const nlmsghdr*>(answer.data());
  constexpr std::size_t kBody = sizeof(xfrm_usersa_info);
  constexpr std::size_t kRoom = 256;  // for what is not in the answer
  if (answer.size() < mnl_nlmsg_size(kBody) || old->nlmsg_len > answer.size() ||
      old->nlmsg_len < mnl_nlmsg_size(kBody) || old->nlmsg_type != XFRM_MSG_NEWSA ||
      old->nlmsg_len + kRoom > Batch::kMaxMessage)
    return false;
  const bool in = direction == Direction::in;
  const Endpoint& source = in ? to.remote : to.local;
  const Endpoint& destination = in ? to.local : to.remote;
  batch.add(XFRM_MSG_NEWSA, NLM_F_CREATE | NLM_F_EXCL, [&](nlmsghdr* message) {
    xfrm_usersa_info info;
    std::memcpy(&info, mnl_nlmsg_get_payload(old), sizeof info);
    info.id.daddr = to_kernel(destination.address);
    info.saddr = to_kernel(source.address);
    info.family = family_number(destination.address.family());
    info.seq = 0;
    put_body(message, info);
    for_each_attribute(old, kBody, [&](const nlattr* attribute) {
      const unsigned type = mnl_attr_get_type(attribute);
      if (!is_carried_over(type)) return;
      put_with_gap(message, static_cast<std::uint16_t>(type),
                   {static_cast<const std::uint8_t*>(mnl_attr_get_payload(attribute)),
                    mnl_attr_get_payload_len(attribute)},
                   in ? 0 : kSequenceGap);
    });
    mnl_attr_put(message, XFRMA_LTIME_VAL, sizeof info.curlft, &info.curlft);
    if (to.udp_encap && info.id.proto == IPPROTO_ESP)
      put_encapsulation(message, source.port, destination.port);
    mnl_attr_put_u32(message, XFRMA_REPLAY_THRESH, in ? 1 : kSilent);
  });
  return true;
}

}  // namespace culvert::xfrm
