#include "control/failure_book.h"

#include <gtest/gtest.h>

namespace culvert::control {
namespace {

trace::Event event(const std::string& connection, trace::Body body) {
  return {{connection, "net", 0, 0, {}, {}}, std::move(body)};
}

const auto kWhen = std::chrono::system_clock::from_time_t(1'000);

TEST(FailureBook, KeepsTheLatestFailureOfEachConnection) {
  FailureBook book;
  book.record(event("gw", trace::NoSecret{"moon", "sun"}), kWhen);
  book.record(event("gw", trace::WrongSecret{"sun"}), kWhen + std::chrono::seconds(1));
  book.record(event("gw", trace::IkeDeleted{"us"}), kWhen + std::chrono::seconds(2));
  const auto failure = book.find("gw");
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->event, "wrong_secret");
  EXPECT_NE(failure->text.find("sun does not prove"), std::string::npos);
  EXPECT_EQ(failure->child, "net");
  EXPECT_EQ(failure->when, kWhen + std::chrono::seconds(1));
  EXPECT_FALSE(book.find("other"));
}

TEST(FailureBook, IsBoundedAndForgetsTheOldest) {
  FailureBook book;
  for (std::size_t i = 0; i <= FailureBook::kMaxEntries; ++i) {
    book.record(event(std::to_string(i), trace::WrongSecret{"sun"}), kWhen);
    book.record(event("kept", trace::WrongSecret{"sun"}), kWhen);
  }
  EXPECT_EQ(book.size(), FailureBook::kMaxEntries);
  EXPECT_TRUE(book.find("kept"));
  EXPECT_FALSE(book.find("0"));
  book.forget("kept");
  EXPECT_FALSE(book.find("kept"));
}

}  // namespace
}  // namespace culvert::control
