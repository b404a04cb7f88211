#include "radius/accounting.h"

#include <gtest/gtest.h>

#include "tests/unit/radius/fake_server.h"

namespace culvert::radius {
namespace {

constexpr std::chrono::sys_seconds kWall{std::chrono::seconds(1'700'000'000)};

class AccountingTest : public testing::Test {
 protected:
  AccountingTest() {
    servers_.push_back(test_server("acct", 1));
    client_ = std::make_unique<Client>(*provider_, std::move(servers_));
    accounting_ = std::make_unique<Accounting>(*client_, Nas{"gateway", {}}, 30s);
  }
  std::chrono::sys_seconds wall() const {
    return kWall + std::chrono::duration_cast<std::chrono::seconds>(now_ - TimePoint{});
  }
  static Session session(std::string id, std::chrono::seconds interim = {}) {
    return {.id = std::move(id),
            .user_name = "anne",
            .port = {7, "office", {}, {}},
            .addresses = {*IpAddress::parse("10.3.0.1"), *IpAddress::parse("2001:db8::1")},
            .classes = {Bytes{1, 2}, Bytes{3}},
            .interim = interim};
  }
  void drain() {
    bool more = true;
    while (more) {
      more = false;
      while (auto output = accounting_->poll(now_)) {
        more = true;
        if (auto* wanted = std::get_if<Accounting::UsageWanted>(&*output))
          wanted_.push_back(wanted->session);
        else
          not_taken_.push_back(std::get<Accounting::NotTaken>(*output));
      }
      while (auto output = client_->poll(now_)) {
        more = true;
        if (auto* sent = std::get_if<Transmit>(&*output)) {
          if (answers_) pending_.push_back(*sent);
          ++sent_;
        }
        if (auto* answered = std::get_if<Answered>(&*output)) {
          EXPECT_TRUE(accounting_->take(*answered, now_));
        } else if (auto* failed = std::get_if<Failed>(&*output)) {
          EXPECT_TRUE(accounting_->take(*failed, now_));
        }
      }
      for (const Transmit& sent : std::exchange(pending_, {})) {
        more = true;
        records_.push_back(*Packet::decode(sent.octets));
        client_->receive(0, sent.socket, client_->server(0).endpoint,
                         fake_.answer(sent.octets, Code::accounting_response, {},
                                      FakeServer::Fault::no_message_authenticator),
                         now_);
      }
    }
  }
  void wait(Duration duration) {
    const TimePoint until = now_ + duration;
    for (;;) {
      drain();
      const auto next = std::min(client_->next_timer(), accounting_->next_timer());
      if (next > until) break;
      now_ = std::max(now_, next);
    }
    now_ = until;
  }
  std::vector<std::uint32_t> statuses() const {
    std::vector<std::uint32_t> out;
    for (const Packet& record : records_)
      out.push_back(record.find_u32(Type::acct_status_type).value());
    return out;
  }

  std::unique_ptr<Provider> provider_ = make_openssl_provider();
  FakeServer fake_{*provider_, "testing123"};
  std::vector<Server> servers_;
  std::unique_ptr<Client> client_;
  std::unique_ptr<Accounting> accounting_;
  TimePoint now_{};
  bool answers_ = true;
  int sent_ = 0;
  std::vector<Transmit> pending_;
  std::vector<Packet> records_;
  std::vector<Accounting::SessionHandle> wanted_;
  std::vector<Accounting::NotTaken> not_taken_;
};

TEST_F(AccountingTest, RecordsSayWhatHappened) {
  const auto handle = accounting_->start(session("s1"), wall(), now_);
  wait(125s);
  EXPECT_EQ(accounting_->find(handle)->user_name, "anne");
  accounting_->stop(handle, {(std::uint64_t{3} << 32) + 5, 6, 7, 8}, TerminateCause::idle_timeout,
                    wall(), now_);
  EXPECT_EQ(accounting_->find(handle), nullptr);
  drain();
  ASSERT_EQ(statuses(), (std::vector<std::uint32_t>{1, 2}));
  const Packet& start = records_[0];
  EXPECT_EQ(as_text(*start.find(Type::acct_session_id)), "s1");
  EXPECT_EQ(start.find_u32(Type::framed_ip_address), 0x0a030001u);
  EXPECT_TRUE(start.find(Type::framed_ipv6_address));
  EXPECT_EQ(start.joined(Type::class_), (Bytes{1, 2, 3}));
  EXPECT_EQ(start.find_u32(Type::event_timestamp), 1'700'000'000u);
  EXPECT_FALSE(start.find(Type::acct_input_octets));
  const Packet& stop = records_[1];
  EXPECT_EQ(stop.find_u32(Type::acct_input_octets), 5u);
  EXPECT_EQ(stop.find_u32(Type::acct_input_gigawords), 3u);
  EXPECT_EQ(stop.find_u32(Type::acct_output_octets), 6u);
  EXPECT_EQ(stop.find_u32(Type::acct_input_packets), 7u);
  EXPECT_EQ(stop.find_u32(Type::acct_output_packets), 8u);
  EXPECT_EQ(stop.find_u32(Type::acct_session_time), 125u);
  EXPECT_EQ(stop.find_u32(Type::acct_terminate_cause), 4u);
  EXPECT_EQ(accounting_->unacknowledged(), 0u);
}

TEST_F(AccountingTest, InterimRecordsComeAtTheirTimes) {
  const auto handle = accounting_->start(session("s1", std::chrono::seconds(5)), wall(), now_);
  wait(59s);
  EXPECT_TRUE(wanted_.empty());  // RFC 2869: not more often than once a minute
  wait(122s);
  EXPECT_EQ(wanted_, (std::vector{handle, handle, handle}));
  accounting_->interim(handle, {1, 2, 3, 4}, wall(), now_);
  accounting_->set_interim(handle, std::chrono::seconds(300), now_);
  wait(299s);
  EXPECT_EQ(wanted_.size(), 3u);
  wait(1s);
  EXPECT_EQ(wanted_.size(), 4u);
  accounting_->set_interim(handle, {}, now_);
  wait(900s);
  EXPECT_EQ(wanted_.size(), 4u);
  EXPECT_EQ(statuses(), (std::vector<std::uint32_t>{1, 3}));
  EXPECT_EQ(records_[1].find_u32(Type::acct_input_octets), 1u);
  accounting_->set_interim(handle, std::chrono::seconds(60), now_);
  accounting_->stop(handle, {}, TerminateCause::user_request, wall(), now_);
  wait(900s);
  EXPECT_EQ(wanted_.size(), 4u);
}

TEST_F(AccountingTest, RecordsAreKeptUntilAServerTakesThemInTheirOrder) {
  answers_ = false;
  const auto handle = accounting_->start(session("s1"), wall(), now_);
  wait(10s);
  accounting_->interim(handle, {1, 0, 0, 0}, wall(), now_);
  accounting_->interim(handle, {2, 0, 0, 0}, wall(), now_);
  wait(20s);
  accounting_->stop(handle, {3, 0, 0, 0}, TerminateCause::admin_reboot, wall(), now_);
  wait(3'600s);
  EXPECT_EQ(accounting_->unacknowledged(), 1u);
  ASSERT_EQ(not_taken_.size(), 1u);  // said once
  EXPECT_EQ(not_taken_[0].session_id, "s1");
  EXPECT_FALSE(not_taken_[0].lost);
  answers_ = true;
  wait(60s);
  // The stop says all that the interim one did.
  ASSERT_EQ(statuses(), (std::vector<std::uint32_t>{1, 2}));
  EXPECT_EQ(records_[0].find_u32(Type::event_timestamp), 1'700'000'000u);
  EXPECT_GT(records_[0].find_u32(Type::acct_delay_time), 3'600u);
  EXPECT_EQ(records_[1].find_u32(Type::event_timestamp), 1'700'000'030u);
  EXPECT_EQ(records_[1].find_u32(Type::acct_session_time), 30u);
  EXPECT_EQ(records_[1].find_u32(Type::acct_input_octets), 3u);
  EXPECT_EQ(accounting_->unacknowledged(), 0u);
  const int sent = sent_;
  wait(3'600s);
  EXPECT_EQ(sent_, sent);
}

TEST_F(AccountingTest, OtherServersTakeOverWhatIsNotAcknowledged) {
  answers_ = false;
  const auto handle = accounting_->start(session("s1"), wall(), now_);
  wait(100ms);
  EXPECT_EQ(accounting_->unacknowledged(), 1u);
  std::vector<Server> others;
  others.push_back(test_server("other", 2));
  auto other = std::make_unique<Client>(*provider_, std::move(others));
  accounting_->use(*other, Nas{"gateway", {}}, now_);
  client_ = std::move(other);
  answers_ = true;
  wait(1s);
  EXPECT_EQ(accounting_->unacknowledged(), 0u);
  accounting_->stop(handle, {}, TerminateCause::user_request, wall(), now_);
  wait(1s);
  EXPECT_EQ(statuses(), (std::vector<std::uint32_t>{1, 2}));
}

TEST_F(AccountingTest, OnlyTheLatestInterimRecordIsKept) {
  answers_ = false;
  const auto handle = accounting_->start(session("s1"), wall(), now_);
  for (std::uint64_t i = 1; i <= 50; ++i) {
    accounting_->interim(handle, {i, 0, 0, 0}, wall(), now_);
    wait(60s);
  }
  answers_ = true;
  wait(60s);
  EXPECT_EQ(statuses(), (std::vector<std::uint32_t>{1, 3}));
  EXPECT_EQ(records_[1].find_u32(Type::acct_input_octets), 50u);
}

TEST_F(AccountingTest, TheMachineItselfIsTold) {
  accounting_->on(wall(), now_);
  drain();
  accounting_->off(wall(), now_);
  EXPECT_EQ(accounting_->unacknowledged(), 1u);
  drain();
  EXPECT_EQ(statuses(), (std::vector<std::uint32_t>{7, 8}));
  EXPECT_EQ(as_text(*records_[0].find(Type::nas_identifier)), "gateway");
  EXPECT_EQ(accounting_->unacknowledged(), 0u);
}

TEST_F(AccountingTest, StaleHandlesDoNothing) {
  const auto handle = accounting_->start(session("s1"), wall(), now_);
  accounting_->stop(handle, {}, TerminateCause::user_request, wall(), now_);
  accounting_->stop(handle, {}, TerminateCause::user_request, wall(), now_);
  accounting_->interim(handle, {}, wall(), now_);
  accounting_->stop({}, {}, TerminateCause::user_request, wall(), now_);
  drain();
  EXPECT_EQ(statuses(), (std::vector<std::uint32_t>{1, 2}));
}

TEST_F(AccountingTest, ManyClassesDoNotMakeARecordTooLarge) {
  auto large = session("s1");
  large.user_name = std::string(253, 'x');
  large.classes.assign(32, Bytes(253, 7));
  accounting_->start(std::move(large), wall(), now_);
  drain();
  EXPECT_EQ(statuses(), std::vector<std::uint32_t>{1});
  EXPECT_TRUE(not_taken_.empty());
}

}  // namespace
}  // namespace culvert::radius
