// Owns the octets of requests that wait to be sent.
#include "xfrm/batch.h"

#include <libmnl/libmnl.h>

#include "base/secret.h"

namespace culvert::xfrm {

// Growing would leave copies of keys behind.
Batch::Batch(std::size_t messages_with_keys) { octets_.reserve(messages_with_keys * kMaxMessage); }

Batch::~Batch() { secure_zero(octets_); }

void Batch::add(std::uint16_t type, std::uint16_t flags,
                const std::function<void(nlmsghdr*)>& fill) {
  const std::size_t at = octets_.size();
  octets_.resize(at + kMaxMessage);
  nlmsghdr* header = mnl_nlmsg_put_header(octets_.data() + at);
  header->nlmsg_type = type;
  header->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
  fill(header);
  offsets_.push_back(at);
  octets_.resize(at + NLMSG_ALIGN(header->nlmsg_len));
}

std::size_t Batch::end_of(std::size_t index) const {
  return index + 1 < offsets_.size() ? offsets_[index + 1] : octets_.size();
}
ByteView Batch::message(std::size_t index) const { return range(index, index + 1); }
nlmsghdr* Batch::header(std::size_t index) {
  return reinterpret_cast<nlmsghdr*>(octets_.data() + offsets_[index]);
}
ByteView Batch::range(std::size_t from, std::size_t to) const {
  return ByteView(octets_).subspan(offsets_[from], end_of(to - 1) - offsets_[from]);
}

}  // namespace culvert::xfrm
