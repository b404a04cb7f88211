#include "control/counter_book.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace culvert::control {
namespace {

std::uint64_t value(const CounterBook::Counts& counts, std::string_view name) {
  const auto at = std::ranges::find(CounterBook::kNames, name);
  return counts[static_cast<std::size_t>(at - CounterBook::kNames.begin())];
}

trace::MessageSummary message(wire::ExchangeType exchange, bool response) {
  trace::MessageSummary summary;
  summary.exchange = exchange;
  summary.response = response;
  return summary;
}

trace::Event event(const std::string& connection, trace::Body body) {
  return {{connection, {}, 0, 0, {}, {}}, std::move(body)};
}

TEST(CounterBook, CountsMessagesByExchangeAndDirection) {
  using enum wire::ExchangeType;
  CounterBook book;
  book.record(event("gw", trace::MessageSent{message(ike_sa_init, false)}));
  book.record(event("gw", trace::MessageReceived{message(ike_sa_init, true)}));
  book.record(event("gw", trace::MessageSent{message(ike_auth, true)}));
  book.record(event("gw", trace::MessageReceived{message(create_child_sa, false)}));
  book.record(event("gw", trace::MessageSent{message(informational, true)}));
  for (const auto* name : {"ike-init-out-req", "ike-init-in-resp", "ike-auth-out-resp",
                           "create-child-in-req", "info-out-resp"})
    EXPECT_EQ(value(book.total(), name), 1u) << name;
  EXPECT_EQ(*book.find("gw"), book.total());
  EXPECT_EQ(std::ranges::count(book.total(), 1u), 5);
}

TEST(CounterBook, CountsWhatIsOfNoConnectionInTheTotalOnly) {
  CounterBook book;
  book.record(event("", trace::MessageDropped{{}, Reason::truncated, 0, "IKE header"}));
  book.record(event("", trace::MessageDropped{{}, Reason::not_found, 0, "no IKE SA"}));
  book.record(event("", trace::MessageDropped{{}, Reason::refused, 0, "shutting down"}));
  EXPECT_EQ(value(book.total(), "invalid"), 1u);
  EXPECT_EQ(value(book.total(), "invalid-spi"), 1u);
  EXPECT_TRUE(book.by_connection().empty());
}

TEST(CounterBook, CountsRekeysByWhoBeganThem) {
  CounterBook book;
  IkeSaRekeyed rekeyed;
  rekeyed.successor.name = "gw";
  rekeyed.successor.initiator = true;
  book.record(SaNews{rekeyed});
  rekeyed.successor.initiator = false;
  book.record(SaNews{rekeyed});
  book.record(event("gw", trace::ChildRekeyed{}));
  for (const auto* name : {"ike-rekey-init", "ike-rekey-resp", "child-rekey"})
    EXPECT_EQ(value(*book.find("gw"), name), 1u) << name;
  book.reset();
  EXPECT_EQ(value(book.total(), "child-rekey"), 0u);
  EXPECT_EQ(value(*book.find("gw"), "child-rekey"), 1u);
  book.forget("gw");
  EXPECT_EQ(book.find("gw"), nullptr);
}

}  // namespace
}  // namespace culvert::control
