// The vici format against the worked example of its documentation, and against hostile octets.
#include "control/vici_message.h"

#include <gtest/gtest.h>

#include "base/limits.h"

namespace culvert::vici {
namespace {

Bytes octets(std::initializer_list<std::string_view> parts) {
  Bytes out;
  for (const auto part : parts) append(out, as_bytes(part));
  return out;
}

Message example_message() {
  Message message;
  message.add("key1", "value1");
  auto& section = message.add_section("section1");
  section.add_section("sub-section").add("key2", "value2");
  section.add_list("list1", {"item1", "item2"});
  return message;
}

using std::string_view_literals::operator""sv;

// strongSwan's vici README, "Encoding example".
Bytes example_octets() {
  return octets({"\3\4key1\0\6value1"sv, "\1\10section1"sv, "\1\13sub-section"sv,
                 "\3\4key2\0\6value2"sv, "\2"sv, "\4\5list1"sv, "\5\0\5item1"sv, "\5\0\5item2"sv,
                 "\6"sv, "\2"sv});
}

TEST(ViciMessage, EncodesTheDocumentedExample) {
  EXPECT_EQ(encode_message(example_message()).value(), example_octets());
}

TEST(ViciMessage, DecodesTheDocumentedExample) {
  EXPECT_EQ(decode_message(example_octets()).value(), example_message());
}

TEST(ViciMessage, LooksUpByNameAndKind) {
  const auto message = example_message();
  EXPECT_EQ(message.get("key1"), "value1");
  EXPECT_EQ(message.get("key2", "absent"), "absent");
  EXPECT_EQ(message.find("section1"), nullptr);
  ASSERT_NE(message.find_section("section1"), nullptr);
  EXPECT_EQ(message.find_section("section1")->find_list("list1")->size(), 2u);
}

TEST(ViciMessage, EveryTruncationOfAPacketIsRefused) {
  const auto segment = encode_segment({PacketType::cmd_request, "load-conn", example_message()});
  const auto body = ByteView(*segment).subspan(4);
  ASSERT_TRUE(decode_packet(body));
  std::size_t accepted = 0;
  for (std::size_t size = 0; size < body.size(); ++size)
    if (decode_packet(body.first(size))) ++accepted;
  // Only the cuts at the end of the name and of each element of the root leave a whole message.
  EXPECT_EQ(accepted, 2u);
}

struct Malformed {
  std::string_view what;
  std::string_view octets;
  Reason reason;
};

TEST(ViciMessage, RefusesWhatTheFormatForbids) {
  const Malformed cases[] = {
      {"end without start", "\2"sv, Reason::bad_order},
      {"section left open", "\1\1a"sv, Reason::truncated},
      {"item outside a list", "\5\0\1x"sv, Reason::bad_value},
      {"section within a list", "\4\1a\1\1b\2\6"sv, Reason::bad_order},
      {"list left open", "\4\1a\5\0\1x"sv, Reason::truncated},
      {"unknown element", "\7"sv, Reason::bad_value},
      {"name longer than the rest", "\3\377a"sv, Reason::truncated},
      {"value longer than the rest", "\3\1a\377\377x"sv, Reason::truncated},
  };
  for (const auto& test : cases) {
    const auto message = decode_message(as_bytes(test.octets));
    ASSERT_FALSE(message) << test.what;
    EXPECT_EQ(message.error().reason, test.reason) << test.what;
  }
}

TEST(ViciMessage, NestingIsBounded) {
  const auto nested = [](std::size_t depth) {
    Bytes out;
    for (std::size_t i = 0; i < depth; ++i) append(out, as_bytes("\1\1a"));
    for (std::size_t i = 0; i < depth; ++i) append(out, as_bytes("\2"));
    return out;
  };
  EXPECT_TRUE(decode_message(nested(limits::kMaxViciDepth)));
  const auto deeper = decode_message(nested(limits::kMaxViciDepth + 1));
  ASSERT_FALSE(deeper);
  EXPECT_EQ(deeper.error().reason, Reason::too_large);
}

TEST(ViciMessage, RefusesToEncodeWhatDoesNotFit) {
  Message long_name, long_value, long_message;
  long_name.add(std::string(256, 'n'), "v");
  long_value.add("n", std::string(65'536, 'v'));
  for (int i = 0; i < 9; ++i) long_message.add("n", std::string(65'000, 'v'));
  EXPECT_FALSE(encode_message(long_name));
  EXPECT_FALSE(encode_message(long_value));
  EXPECT_FALSE(encode_segment({PacketType::cmd_response, {}, long_message}));
  Message longest;
  longest.add(std::string(255, 'n'), std::string(65'535, 'v'));
  EXPECT_EQ(decode_message(*encode_message(longest)).value(), longest);
}

TEST(ViciMessage, PacketsCarryNamesAndMessagesByType) {
  for (const auto type :
       {PacketType::cmd_request, PacketType::cmd_response, PacketType::cmd_unknown,
        PacketType::event_register, PacketType::event_unregister, PacketType::event_confirm,
        PacketType::event_unknown, PacketType::event}) {
    Packet packet{type, {}, {}};
    if (has_name(type)) packet.name = "list-sas";
    if (has_message(type)) packet.message = example_message();
    const auto segment = encode_segment(packet).value();
    EXPECT_EQ(load_be<std::uint32_t>(segment.data()), segment.size() - 4);
    EXPECT_EQ(segment[4], static_cast<std::uint8_t>(type));
    EXPECT_EQ(decode_packet(ByteView(segment).subspan(4)).value(), packet);
  }
  EXPECT_FALSE(decode_packet(as_bytes("\10")));     // no such type
  EXPECT_FALSE(decode_packet(as_bytes("\2junk")));  // cmd_unknown has no body
}

TEST(SegmentReader, CutsTheStreamWhereverItArrives) {
  const auto one = encode_segment({PacketType::cmd_request, "version", {}}).value();
  const auto two = encode_segment({PacketType::cmd_request, "stats", example_message()}).value();
  Bytes stream = one;
  append(stream, two);
  for (std::size_t step = 1; step <= stream.size(); ++step) {
    SegmentReader reader;
    std::vector<std::string> names;
    for (std::size_t at = 0; at < stream.size(); at += step) {
      reader.feed(ByteView(stream).subspan(at, std::min(step, stream.size() - at)));
      while (const auto segment = reader.next().value())
        names.push_back(decode_packet(*segment)->name);
    }
    EXPECT_EQ(names, (std::vector<std::string>{"version", "stats"})) << step;
  }
}

TEST(SegmentReader, RefusesOversizeAndEmptySegments) {
  Bytes oversize(4), empty(4);
  store_be<std::uint32_t>(oversize.data(), limits::kMaxViciMessage + 1);
  SegmentReader reader, other;
  reader.feed(oversize);
  EXPECT_EQ(reader.next().error().reason, Reason::too_large);
  other.feed(empty);
  EXPECT_EQ(other.next().error().reason, Reason::bad_length);
}

TEST(ViciAddress, AcceptsUnixAndLoopback) {
  EXPECT_EQ(parse_address("unix:///run/culvert/vici.sock")->path, "/run/culvert/vici.sock");
  EXPECT_EQ(parse_address("tcp://127.0.0.1:4502")->port, 4502);
  EXPECT_EQ(parse_address("tcp://[::1]:4502")->host, "::1");
}

TEST(ViciAddress, SaysWhatIsWrong) {
  for (const auto uri : {"", "/run/vici.sock", "unix://", "tcp://127.0.0.1", "tcp://127.0.0.1:0",
                         "tcp://127.0.0.1:70000", "tcp://192.0.2.1:4502", "tcp://[::]:4502",
                         "tcp://localhost:4502"}) {
    const auto address = parse_address(uri);
    ASSERT_FALSE(address) << uri;
    EXPECT_NE(address.error().find(uri), std::string::npos);
  }
}

}  // namespace
}  // namespace culvert::vici
