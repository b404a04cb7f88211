// Owns the words for the kernel's errors.
#include "xfrm/refusals.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>

namespace culvert::xfrm {
namespace {

std::string_view advice(int error) {
  switch (error) {
    case ENOSYS:
    case ENOENT:
      return "; choose another proposal, or load the kernel module of the algorithm";
    case EPROTONOSUPPORT:
      return "; this kernel lacks the protocol, use data_plane = \"userspace\"";
    case EEXIST:
      return "; another IKE daemon has one of this name (see ip xfrm state)";
    case EPERM:
      return "; culvertd needs CAP_NET_ADMIN";
    default:
      return {};
  }
}

}  // namespace

std::string words_of(const Ack& ack) {
  return ack.text.empty() ? std::strerror(ack.error) : ack.text;
}

std::string refusal_sentence(const std::string& what, const Ack& ack) {
  return fmt::format("the kernel refused {}: {}{}", what, words_of(ack), advice(ack.error));
}

Error error_of(const Ack& ack) {
  const bool lacking = ack.error == ENOSYS || ack.error == ENOENT || ack.error == EPROTONOSUPPORT;
  return lacking ? Error{Fault::local_policy, Reason::unsupported}
                 : Error{Fault::internal, Reason::system};
}

}  // namespace culvert::xfrm
