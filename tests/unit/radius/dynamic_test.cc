#include "radius/dynamic.h"

#include <gtest/gtest.h>

#include "base/limits.h"
#include "tests/unit/radius/fake_server.h"

namespace culvert::radius {
namespace {

constexpr std::chrono::sys_seconds kWall{std::chrono::seconds(1'700'000'000)};

class DynamicTest : public testing::Test {
 protected:
  using Options = DynamicAuthorization::Options;
  void make(Options options = {}) {
    std::vector<DynamicAuthorization::Peer> peers;
    peers.push_back({remote_.address, SecretBytes(as_bytes("testing123"))});
    server_ = std::make_unique<DynamicAuthorization>(
        *provider_, Nas{"gateway", *IpAddress::parse("192.0.2.9")}, std::move(peers), options);
  }
  SignedRequest sign(Code code, ByteView attributes, std::string_view secret = "testing123",
                     bool authenticator = true) {
    return *sign_request(*provider_, as_bytes(secret),
                         {.code = code,
                          .identifier = identifier_,
                          .attributes = attributes,
                          .message_authenticator = authenticator});
  }
  DynamicAuthorization::Received receive(const SignedRequest& request) {
    request_ = request;
    return server_->receive(remote_, request.octets, kWall, now_);
  }
  // The code of a reply and its Error-Cause.
  std::pair<Code, ErrorCause> read(const Bytes& reply) {
    const auto packet = Packet::decode(reply);
    EXPECT_TRUE(packet);
    EXPECT_EQ(check_response(*provider_, as_bytes("testing123"), *packet, Code::access_request,
                             request_.authenticator),
              Distrust::none);
    return {packet->code(),
            static_cast<ErrorCause>(packet->find_u32(Type::error_cause).value_or(0))};
  }
  static Bytes user(std::string_view name) {
    Bytes out;
    AttributeWriter(out).add(Type::user_name, name);
    return out;
  }

  std::unique_ptr<Provider> provider_ = make_openssl_provider();
  std::unique_ptr<DynamicAuthorization> server_;
  Endpoint remote_{*IpAddress::parse("192.0.2.1"), 4'000};
  TimePoint now_{};
  std::uint8_t identifier_ = 0;
  SignedRequest request_;
};

TEST_F(DynamicTest, ADisconnectIsCarriedOutOnceAndItsAnswerRepeated) {
  make();
  Bytes attributes = user("anne");
  AttributeWriter writer(attributes);
  writer.add(Type::nas_identifier, "gateway");
  writer.add(Type::proxy_state, "p1");
  writer.add(Type::proxy_state, "p2");
  const auto request = sign(Code::disconnect_request, attributes);
  const auto received = receive(request);
  ASSERT_TRUE(std::holds_alternative<DynamicAuthorization::Command>(received));
  const auto& command = std::get<DynamicAuthorization::Command>(received);
  EXPECT_TRUE(command.disconnect);
  EXPECT_EQ(command.selection.user_name, "anne");
  EXPECT_TRUE(std::holds_alternative<DynamicAuthorization::Ignored>(receive(request)));
  const auto reply = server_->answer(command.id, ErrorCause::none);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->remote, remote_);
  EXPECT_EQ(read(reply->octets), (std::pair{Code::disconnect_ack, ErrorCause::none}));
  EXPECT_EQ(Packet::decode(reply->octets)->joined(Type::proxy_state), to_bytes(as_bytes("p1p2")));
  EXPECT_EQ(std::get<Bytes>(receive(request)), reply->octets);
  EXPECT_FALSE(server_->answer(command.id, ErrorCause::none));
  // The same identifier for another request.
  EXPECT_TRUE(std::holds_alternative<DynamicAuthorization::Command>(
      receive(sign(Code::disconnect_request, user("bert")))));
}

TEST_F(DynamicTest, AChangeIsRead) {
  make();
  Bytes attributes;
  AttributeWriter writer(attributes);
  writer.add(Type::acct_session_id, "s1");
  writer.add(Type::session_timeout, 60u);
  writer.add(Type::filter_id, "guests");
  const auto received = receive(sign(Code::coa_request, attributes));
  ASSERT_TRUE(std::holds_alternative<DynamicAuthorization::Command>(received));
  const auto& command = std::get<DynamicAuthorization::Command>(received);
  EXPECT_FALSE(command.disconnect);
  EXPECT_EQ(command.changes.session_timeout, std::chrono::seconds(60));
  EXPECT_EQ(command.changes.groups, std::vector<std::string>{"guests"});
  const auto reply = server_->answer(command.id, ErrorCause::session_context_not_found);
  EXPECT_EQ(read(reply->octets), (std::pair{Code::coa_nak, ErrorCause::session_context_not_found}));
}

TEST_F(DynamicTest, SaysWhatItCannotDo) {
  make();
  const auto cause = [&](Code code, auto&& fill) {
    Bytes attributes = user("anne");
    AttributeWriter writer(attributes);
    fill(writer);
    ++identifier_;
    const auto received = receive(sign(code, attributes));
    const auto* reply = std::get_if<Bytes>(&received);
    return reply ? read(*reply) : std::pair{Code::access_accept, ErrorCause::none};
  };
  using enum ErrorCause;
  const auto disconnect = Code::disconnect_nak, change = Code::coa_nak;
  EXPECT_EQ(cause(Code::disconnect_request,
                  [](auto& writer) { writer.add(Type::nas_identifier, "elsewhere"); }),
            (std::pair{disconnect, nas_identification_mismatch}));
  EXPECT_EQ(cause(Code::disconnect_request,
                  [](auto& writer) { writer.add(Type::nas_ip_address, 0x0a000001u); }),
            (std::pair{disconnect, nas_identification_mismatch}));
  EXPECT_EQ(
      cause(Code::disconnect_request, [](auto& writer) { writer.add(Type::session_timeout, 5u); }),
      (std::pair{disconnect, unsupported_attribute}));
  EXPECT_EQ(cause(Code::coa_request, [](auto& writer) { writer.add(Type::framed_pool, "x"); }),
            (std::pair{change, unsupported_attribute}));
  EXPECT_EQ(cause(Code::coa_request, [](auto& writer) { writer.add(Type::service_type, 17u); }),
            (std::pair{change, unsupported_service}));
  EXPECT_EQ(
      cause(Code::coa_request, [](auto& writer) { writer.add(Type::session_timeout, "abc"); }),
      (std::pair{change, invalid_attribute_value}));
  const auto nothing = receive(sign(Code::disconnect_request, {}));
  EXPECT_EQ(read(std::get<Bytes>(nothing)), (std::pair{disconnect, missing_attribute}));
}

TEST_F(DynamicTest, IgnoresWhomItCannotTrust) {
  make();
  const auto ignored = [&](const SignedRequest& request) {
    return std::holds_alternative<DynamicAuthorization::Ignored>(receive(request));
  };
  EXPECT_TRUE(ignored(sign(Code::disconnect_request, user("anne"), "other")));
  EXPECT_TRUE(ignored(sign(Code::disconnect_request, user("anne"), "testing123", false)));
  EXPECT_TRUE(ignored(sign(Code::accounting_request, user("anne"))));
  auto flipped = sign(Code::disconnect_request, user("anne"));
  flipped.octets.back() ^= 1;
  EXPECT_TRUE(ignored(flipped));
  flipped.octets.pop_back();
  EXPECT_TRUE(ignored(flipped));
  remote_.address = *IpAddress::parse("192.0.2.2");
  EXPECT_TRUE(ignored(sign(Code::disconnect_request, user("anne"))));
  remote_.address = *IpAddress::parse("192.0.2.1");
  EXPECT_FALSE(ignored(sign(Code::disconnect_request, user("anne"))));
  make({.require_message_authenticator = false});
  EXPECT_FALSE(ignored(sign(Code::disconnect_request, user("anne"), "testing123", false)));
}

TEST_F(DynamicTest, IgnoresOldRequests) {
  make({.require_event_timestamp = true});
  for (const auto& [offset, taken] :
       {std::pair{0, true}, {299, true}, {-299, true}, {301, false}, {-301, false}}) {
    Bytes attributes = user("anne");
    AttributeWriter(attributes)
        .add(Type::event_timestamp, static_cast<std::uint32_t>(1'700'000'000 + offset));
    EXPECT_EQ(std::holds_alternative<DynamicAuthorization::Command>(
                  receive(sign(Code::disconnect_request, attributes))),
              taken)
        << offset;
  }
  EXPECT_FALSE(std::holds_alternative<DynamicAuthorization::Command>(
      receive(sign(Code::disconnect_request, user("anne")))));
}

TEST_F(DynamicTest, RemembersABoundedNumberForABoundedTime) {
  make();
  const auto first = sign(Code::disconnect_request, user("anne"));
  const auto command = receive(first);
  for (std::size_t i = 1; i <= limits::kMaxDynamicReplies; ++i)
    receive(sign(Code::disconnect_request, user("user" + std::to_string(i))));
  EXPECT_FALSE(
      server_->answer(std::get<DynamicAuthorization::Command>(command).id, ErrorCause::none));
  const auto last = sign(Code::disconnect_request, user("zoe"));
  EXPECT_TRUE(std::holds_alternative<DynamicAuthorization::Command>(receive(last)));
  EXPECT_TRUE(std::holds_alternative<DynamicAuthorization::Ignored>(receive(last)));
  now_ += 301s;
  EXPECT_TRUE(std::holds_alternative<DynamicAuthorization::Command>(receive(last)));
}

TEST_F(DynamicTest, SelectionsMatchSessionsThatHaveAllOfThem) {
  const Session session{.id = "s1",
                        .user_name = "anne",
                        .port = {7, "office", {}, {*IpAddress::parse("198.51.100.7"), 4'500}},
                        .addresses = {*IpAddress::parse("10.3.0.1")}};
  EXPECT_TRUE((Selection{.user_name = "anne"}.matches(session)));
  EXPECT_TRUE((Selection{.user_name = "anne", .port = 7}.matches(session)));
  EXPECT_FALSE((Selection{.user_name = "anne", .port = 8}.matches(session)));
  EXPECT_FALSE((Selection{.user_name = "bert"}.matches(session)));
  EXPECT_TRUE((Selection{.calling_station = "198.51.100.7[4500]"}.matches(session)));
  EXPECT_TRUE((Selection{.addresses = {*IpAddress::parse("10.3.0.1")}}.matches(session)));
  EXPECT_FALSE((Selection{.addresses = {*IpAddress::parse("10.3.0.2")}}.matches(session)));
  EXPECT_FALSE((Selection{.session_id = "s2"}.matches(session)));
}

}  // namespace
}  // namespace culvert::radius
