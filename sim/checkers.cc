#include "sim/checkers.h"

#include <fmt/format.h>

#include "wire/v2/message.h"
#include "wire/v2/protected.h"

namespace culvert::sim {
namespace {

constexpr std::size_t kMostViolations = 20;
constexpr std::size_t kMostOutputs = 5'000;
// Initial clear text of a message: header, and the generic header of its SK payload.
constexpr std::size_t kClearStart = wire::kHeaderSize + wire::kGenericHeaderSize;

std::uint64_t digest_of(ByteView octets) {
  ToyHash hash;
  hash.add(octets);
  return hash.value();
}

std::uint64_t tail_of(ByteView octets) {
  return octets.size() < 8 ? 0 : load_be<std::uint64_t>(octets.last(8).data());
}

// The SPIs that the SA payload of a message names.
std::vector<std::uint32_t> spis_in(ByteView aad, ByteView plaintext) {
  std::vector<std::uint32_t> spis;
  if (aad.size() < kClearStart || plaintext.empty()) return spis;
  const std::size_t padding = plaintext.back() + std::size_t{1};
  if (padding > plaintext.size()) return spis;
  const auto payloads = wire::decode_payloads(wire::PayloadType{aad[wire::kHeaderSize]},
                                              plaintext.first(plaintext.size() - padding));
  if (!payloads) return spis;
  if (const auto* sa = wire::find<wire::Sa>(*payloads, wire::PayloadType::sa))
    for (const wire::Proposal& proposal : sa->proposals)
      if (proposal.spi.size() == 4) spis.push_back(load_be<std::uint32_t>(proposal.spi.data()));
  return spis;
}

std::uint16_t fragment_of(const wire::Header& header, ByteView message) {
  if (header.next_payload != wire::PayloadType::skf) return 1;
  const auto position = wire::peek_fragment(message);
  return position ? position->number : 1;
}

}  // namespace

void Checkers::report(std::string_view check, std::string text) {
  if (violations_.size() < kMostViolations)
    violations_.push_back({now_, std::string(check), std::move(text)});
}

void Checkers::sealed(const ToyProvider::Sealed& sealed) {
  ToyHash key;
  key.add(sealed.operands.encryption_key);
  key.add(sealed.operands.iv);
  ToyHash message;
  message.add(sealed.operands.aad);
  message.add(sealed.plaintext);
  const auto [at, fresh] = sealed_.emplace(key.value(), message.value());
  if (!fresh && at->second != message.value())
    report("iv-reuse", "two messages were sealed under one key and IV");
  const auto header = wire::peek_header(sealed.operands.aad);
  if (header && header->response)
    if (auto spis = spis_in(sealed.operands.aad, sealed.plaintext); !spis.empty())
      announced_[tail_of(sealed.icv)] = std::move(spis);
}

Checkers::Sender Checkers::sender_of(std::uint64_t host, const wire::Header& header) {
  return {host, header.initiator ? header.spi_i : header.spi_r};
}

// RFC 7296, 2.1 and 2.3: an ID stands for one request, and the next one waits for the answer.
void Checkers::check_request(const Sender& sender, const wire::Header& header,
                             std::uint16_t fragment, std::uint64_t digest) {
  const bool init = header.exchange == wire::ExchangeType::ike_sa_init;  // may be asked to retry
  const auto [at, fresh] =
      requests_.emplace(std::tuple{sender, header.message_id, fragment}, digest);
  if (!fresh && at->second != digest && !init)
    report("message-id-reuse",
           fmt::format("two different requests have message ID {}", header.message_id));
  if (!fresh || header.message_id == 0) return;
  const bool first_ever = !requests_.contains({sender, header.message_id - 1, 1});
  if (first_ever || answered_[sender] < header.message_id)
    report("window", fmt::format("request {} was sent before request {} was answered",
                                 header.message_id, header.message_id - 1));
}

// RFC 7296, 2.8: whoever announces an SPI can already receive on it.
void Checkers::check_announcement(ByteView message, const Known& known) {
  const auto at = announced_.find(tail_of(message));
  if (at == announced_.end()) return;
  for (const std::uint32_t spi : at->second)
    if (!known(spi))
      report("announced-before-installed",
             fmt::format("a response announces SPI {:08x}, which is not installed", spi));
  announced_.erase(at);
}

void Checkers::transmitted(std::uint64_t host, ByteView message, const Known& known) {
  const auto header = wire::peek_header(message);
  if (!header) return report("malformed-output", "a message without a header was sent");
  check_announcement(message, known);
  const std::uint64_t digest = digest_of(message);
  const Sender sender = sender_of(host, *header);
  const std::uint16_t fragment = fragment_of(*header, message);
  if (!header->response) return check_request(sender, *header, fragment, digest);
  // Answers without state may differ: they have no SPI of ours, or are no more than a notification.
  if (sender.our_spi == 0 || header->spi_r == 0 ||
      header->next_payload == wire::PayloadType::notify)
    return;
  const auto [at, fresh] =
      responses_.emplace(std::tuple{sender, header->message_id, fragment}, digest);
  if (!fresh && at->second != digest)
    report("response-changed",
           fmt::format("request {} was answered in two ways", header->message_id));
}

void Checkers::response_arrived(std::uint64_t host, ByteView message) {
  const auto header = wire::peek_header(message);
  if (!header || !header->response) return;
  const Sender receiver{host, header->initiator ? header->spi_r : header->spi_i};
  std::uint32_t& next = answered_[receiver];
  next = std::max(next, header->message_id + 1);
}

void Checkers::forgery_had_effect(std::string_view effect) {
  report("forgery-accepted",
         fmt::format("a message that nobody sent caused more than a drop: {}", effect));
}

void Checkers::outputs_of_one_input(std::size_t count) {
  if (count > kMostOutputs) report("unbounded-outputs", fmt::format("{} for one input", count));
}

void Checkers::shard_size(const ShardStatistics& statistics, std::size_t limit) {
  if (statistics.ike_sas > limit)
    report("memory", fmt::format("{} IKE SAs, at most {} are expected", statistics.ike_sas, limit));
}

void Checkers::operation_failed(const Error& error, std::string_view operation) {
  report("bad-operation", fmt::format("{} is refused by the data plane: {}", operation,
                                      trace::name_of(error.reason)));
}

void Checkers::left_in_clear(const InnerPacket& packet, bool covered) {
  if (covered)
    report("clear-text", fmt::format("packet {} from {} to {} left in clear", packet.id,
                                     packet.source.to_string(), packet.destination.to_string()));
}

void Checkers::delivered(std::uint64_t host, const InnerPacket& packet, bool within_selectors) {
  if (!within_selectors)
    report("out-of-selectors",
           fmt::format("packet {} from {} to {} was delivered", packet.id,
                       packet.source.to_string(), packet.destination.to_string()));
  if (!delivered_.emplace(host, packet.id).second)
    report("delivered-twice", fmt::format("packet {} was delivered twice", packet.id));
}

void Checkers::command_done(CommandId id) {
  const auto at = commands_.find(id);
  if (at == commands_.end())
    return report("command", fmt::format("command {} is unknown but done", id.value));
  if (++at->second > 1) report("command", fmt::format("command {} was done twice", id.value));
}

void Checkers::all_commands_done() {
  for (const auto& [id, times] : commands_)
    if (times == 0) report("command", fmt::format("command {} was never done", id.value));
}

}  // namespace culvert::sim
