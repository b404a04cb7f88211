// The server over a real socket, with clients that behave and clients that do not.
#include "control/vici_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "base/limits.h"
#include "control/vici_client.h"
#include "tests/unit/control/fake_backend.h"

namespace culvert::vici {
namespace {

using control::FakeBackend;
using ::testing::HasSubstr;

class ViciServer : public ::testing::Test {
 protected:
  // Runs f on the server's thread and waits for it.
  template <class F>
  auto on_server(F f) {
    auto task = std::make_shared<std::packaged_task<decltype(f())()>>(std::move(f));
    auto result = task->get_future();
    asio::post(io_, [task] { (*task)(); });
    return result.get();
  }

  void SetUp() override {
    const auto started = server_->listen(parse_address(uri_).value());
    ASSERT_TRUE(started) << started.error();
    thread_ = std::thread([this] { io_.run(); });
  }
  void TearDown() override {
    if (thread_.joinable()) {
      on_server([this] { server_->close(); });
      io_.stop();
      thread_.join();
    }
    server_.reset();
    std::filesystem::remove_all(folder_);
  }
  static std::filesystem::path make_folder() {
    std::string name = std::filesystem::temp_directory_path() / "vici-XXXXXX";
    return ::mkdtemp(name.data());
  }

  Client client() {
    auto connected = Client::connect(uri_);
    EXPECT_TRUE(connected) << connected.error();
    return std::move(*connected);
  }
  Message ask(const std::string& command, const Message& arguments = {}) {
    auto answer = client().request(command, arguments);
    EXPECT_TRUE(answer) << answer.error();
    return answer.value_or(Message{});
  }
  // A socket without a protocol on top.
  int raw_socket() {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    socket_file_.string().copy(name.sun_path, sizeof(name.sun_path) - 1);
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&name), sizeof(name)), 0);
    return fd;
  }
  bool eventually(const std::function<bool()>& condition) {
    for (int i = 0; i < 500; ++i) {
      if (on_server(condition)) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
  void load_example() {
    Message request;
    auto& connection = request.add_section("gw");
    connection.add_section("local").add("auth", "psk");
    connection.add_section("remote").add("auth", "psk");
    connection.add_section("children").add_section("net");
    EXPECT_EQ(failure_of(ask("load-conn", request)), std::nullopt);
  }

  std::filesystem::path folder_ = make_folder();
  std::filesystem::path socket_file_ = folder_ / "vici.sock";
  std::string uri_ = "unix://" + socket_file_.string();
  asio::io_context io_;
  asio::executor_work_guard<asio::io_context::executor_type> work_{io_.get_executor()};
  FakeBackend backend_;
  std::vector<std::string> log_;
  std::unique_ptr<Server> server_ = std::make_unique<Server>(
      io_, backend_, [this](trace::Level, const std::string& text) { log_.push_back(text); });
  std::thread thread_;
};

TEST_F(ViciServer, AnswersCommandsAndRefusesUnknownOnes) {
  auto vici = client();
  EXPECT_EQ(vici.request("version")->get("daemon"), "culvertd");
  EXPECT_FALSE(vici.request("make-coffee"));
  EXPECT_FALSE(vici.register_event("coffee"));
  EXPECT_TRUE(vici.request("stats"));
}

TEST_F(ViciServer, LoadsShowsAndUnloadsConnections) {
  load_example();
  auto vici = client();
  EXPECT_EQ(*vici.request("get-conns")->find_list("conns"), List{"gw"});
  std::vector<std::string> names;
  ASSERT_TRUE(vici.stream("list-conns", {}, "list-conn", [&](const auto& event, const auto& body) {
    EXPECT_EQ(event, "list-conn");
    names.push_back(body.elements().at(0).name);
  }));
  EXPECT_EQ(names, List{"gw"});
  Message name;
  name.add("name", "gx");
  EXPECT_THAT(*failure_of(*vici.request("unload-conn", name)), HasSubstr("did you mean 'gw'"));
  Message right;
  right.add("name", "gw");
  EXPECT_EQ(failure_of(*vici.request("unload-conn", right)), std::nullopt);
  EXPECT_TRUE(vici.request("get-conns")->find_list("conns")->empty());
}

TEST_F(ViciServer, ConnectionsOfTheFileStay) {
  on_server([this] {
    ConnectionConfig connection;
    connection.name = "file";
    backend_.by_name["file"] = std::make_shared<const ConnectionConfig>(connection);
  });
  EXPECT_TRUE(ask("get-conns").find_list("conns")->empty());
  Message name;
  name.add("name", "file");
  EXPECT_THAT(*failure_of(ask("unload-conn", name)), HasSubstr("configuration file"));
}

TEST_F(ViciServer, SecretsOfClientsAreKeptApartAndCleared) {
  Message request;
  request.add("id", "one").add("type", "IKE").add("data", "secret").add_list("owners", {"moon"});
  EXPECT_EQ(failure_of(ask("load-shared", request)), std::nullopt);
  EXPECT_EQ(*ask("get-shared").find_list("keys"), List{"one"});
  on_server([this] {
    ASSERT_EQ(backend_.executed.size(), 1u);
    const auto& secret = std::get<LoadSecret>(backend_.executed[0]).secret;
    EXPECT_EQ(secret.id, "vici:one");
    EXPECT_EQ(as_text(secret.secret.view()), "secret");
  });
  EXPECT_EQ(failure_of(ask("clear-creds")), std::nullopt);
  EXPECT_TRUE(ask("get-shared").find_list("keys")->empty());
  on_server(
      [this] { EXPECT_EQ(std::get<UnloadSecret>(backend_.executed.at(1)).secret_id, "vici:one"); });
}

TEST_F(ViciServer, StreamsSasByFilter) {
  on_server([this] {
    for (std::uint32_t id = 1; id <= 3; ++id)
      backend_.sas.push_back(control::example_sa("gw" + std::to_string(id), id));
  });
  const auto list = [this](const std::string& key, const std::string& value) {
    Message filter;
    if (!key.empty()) filter.add(key, value);
    std::vector<std::string> names;
    EXPECT_TRUE(client().stream("list-sas", filter, "list-sa", [&](const auto&, const auto& body) {
      names.push_back(body.elements().at(0).name);
    }));
    return names;
  };
  EXPECT_EQ(list("", ""), (List{"gw1", "gw2", "gw3"}));
  EXPECT_EQ(list("noblock", "yes"), (List{"gw1", "gw2", "gw3"}));
  EXPECT_EQ(list("ike", "gw2"), List{"gw2"});
  EXPECT_EQ(list("ike-id", "3"), List{"gw3"});
}

TEST_F(ViciServer, InitiateWaitsWithoutHoldingUpAnybody) {
  load_example();
  on_server([this] { backend_.hold_initiate = true; });
  Message request;
  request.add("child", "net");
  auto waiting = std::async(std::launch::async, [&] { return ask("initiate", request); });
  ASSERT_TRUE(eventually([this] { return !backend_.held.empty(); }));
  EXPECT_EQ(ask("version").get("daemon"), "culvertd");
  on_server([this] { backend_.held[0]({{}, false, "no answer from 192.0.2.2"}); });
  EXPECT_EQ(*failure_of(waiting.get()),
            "establishing CHILD_SA 'net' failed: no answer from 192.0.2.2");
}

TEST_F(ViciServer, InitiateEndsWhenTheClientsPatienceDoes) {
  load_example();
  on_server([this] { backend_.hold_initiate = true; });
  Message request;
  request.add("child", "net").add("timeout", "50");
  EXPECT_EQ(*failure_of(ask("initiate", request)), "CHILD_SA 'net' not established after 50ms");
  Message at_once;
  at_once.add("child", "net").add("timeout", "-1");
  EXPECT_EQ(failure_of(ask("initiate", at_once)), std::nullopt);
  // Results that come too late, for clients that have gone, hurt nobody.
  on_server([this] {
    for (auto& done : backend_.held) done({{}, true, {}});
  });
  EXPECT_EQ(ask("version").get("daemon"), "culvertd");
}

TEST_F(ViciServer, InitiateNamesWhatItCannotFind) {
  load_example();
  Message wrong_child, wrong_ike, none;
  wrong_child.add("child", "nett");
  wrong_ike.add("child", "net").add("ike", "gv");
  EXPECT_EQ(*failure_of(ask("initiate", wrong_child)),
            "CHILD_SA config 'nett' not found (did you mean 'net'?)");
  EXPECT_THAT(*failure_of(ask("initiate", wrong_ike)), HasSubstr("IKE_SA config 'gv' not found"));
  EXPECT_EQ(*failure_of(ask("initiate", none)), "missing configuration name");
}

TEST_F(ViciServer, ControlLogFollowsTheConnectionOfTheCommand) {
  load_example();
  on_server([this] { backend_.hold_initiate = true; });
  std::vector<std::string> lines;
  auto vici = client();
  ASSERT_TRUE(vici.register_event("control-log"));
  Message request;
  request.add("child", "net").add("loglevel", "1");
  auto waiting = std::async(std::launch::async, [&] {
    return vici.request("initiate", request, [&](const auto& name, const auto& body) {
      lines.push_back(name + ": " + std::string(body.get("msg")));
    });
  });
  ASSERT_TRUE(eventually([this] { return !backend_.held.empty(); }));
  on_server([this] {
    server_->publish(trace::Event{{"gw", {}, 1, 0, {}, {}}, trace::Notice{"ours"}});
    server_->publish(trace::Event{{"other", {}, 2, 0, {}, {}}, trace::Notice{"theirs"}});
    server_->publish(trace::Event{{"gw", {}, 1, 0, {}, {}}, trace::LivenessCheck{}});
    backend_.held[0]({{}, true, {}});
  });
  EXPECT_EQ(failure_of(*waiting.get()), std::nullopt);
  EXPECT_EQ(lines, List{"control-log: ours"});
}

TEST_F(ViciServer, TerminateCountsWhatItFound) {
  on_server(
      [this] { backend_.sas = {control::example_sa("gw", 1), control::example_sa("gw", 2)}; });
  Message request, none, missing;
  request.add("ike", "gw").add("force", "yes");
  const auto answer = ask("terminate", request);
  EXPECT_EQ(answer.get("success"), "yes");
  EXPECT_EQ(answer.get("matches"), "2");
  EXPECT_EQ(answer.get("terminated"), "2");
  on_server([this] { EXPECT_TRUE(std::get<Terminate>(backend_.executed.back()).force); });
  missing.add("child-id", "999");
  EXPECT_EQ(*failure_of(ask("terminate", missing)), "no matching SAs to terminate found");
  EXPECT_EQ(*failure_of(ask("terminate", none)), "missing terminate selector");
}

TEST_F(ViciServer, PublishesUpDownToThoseWhoRegistered) {
  auto listening = client(), silent = client();
  ASSERT_TRUE(listening.register_event("child-updown"));
  ASSERT_TRUE(silent.register_event("ike-updown"));
  on_server([this] { server_->publish(UpDown{true, 0, control::example_sa("gw", 1)}); });
  const auto event = listening.next_event(std::chrono::seconds(5));
  ASSERT_TRUE(event && *event);
  EXPECT_EQ((*event)->name, "child-updown");
  EXPECT_FALSE(*silent.next_event(std::chrono::milliseconds(50)));
}

TEST_F(ViciServer, PublishesRekeysAndAlerts) {
  auto vici = client();
  ASSERT_TRUE(vici.register_event("ike-rekey"));
  ASSERT_TRUE(vici.register_event("alert"));
  on_server([this] {
    server_->publish(SaNews{ChildSaRekeyed{control::example_sa("gw", 1)}});  // not registered
    server_->publish(trace::Event{{"gw", {}, 0, 0, {}, {}}, trace::IkeDeleted{"us"}});
    server_->publish(SaNews{IkeSaRekeyed{control::example_sa("gw", 1), {}}});
    server_->publish(trace::Event{{"gw", "net", 3, 0, {}, {}}, trace::WrongSecret{"sun"}});
  });
  auto event = vici.next_event(std::chrono::seconds(5));
  ASSERT_TRUE(event && *event);
  EXPECT_EQ((*event)->name, "ike-rekey");
  event = vici.next_event(std::chrono::seconds(5));
  ASSERT_TRUE(event && *event);
  EXPECT_EQ((*event)->name, "alert");
  EXPECT_EQ((*event)->message.get("type"), "wrong_secret");
  EXPECT_EQ((*event)->message.get("ike"), "gw");
  EXPECT_EQ((*event)->message.get("child"), "net");
  EXPECT_EQ((*event)->message.get("uniqueid"), "3");
}

TEST_F(ViciServer, ShowsAndResetsCounters) {
  on_server([this] { backend_.counted.record({{"gw", {}, 0, 0, {}, {}}, trace::ChildRekeyed{}}); });
  const auto rekeys = [this](const char* key, const char* value, const char* section) {
    Message request;
    if (*key != 0) request.add(key, value);
    const auto answer = ask("get-counters", request);
    const auto* counters = answer.find_section("counters")->find_section(section);
    return counters == nullptr ? "none" : std::string(counters->get("child-rekey"));
  };
  EXPECT_EQ(rekeys("", "", ""), "1");
  EXPECT_EQ(rekeys("name", "gw", "gw"), "1");
  EXPECT_EQ(rekeys("all", "yes", "gw"), "1");
  EXPECT_EQ(rekeys("name", "gx", "gx"), "none");
  ask("reset-counters");
  EXPECT_EQ(rekeys("", "", ""), "0");
  EXPECT_EQ(rekeys("name", "gw", "gw"), "1");
  Message name;
  name.add("name", "gw");
  ask("reset-counters", name);
  EXPECT_EQ(rekeys("name", "gw", "gw"), "none");
}

TEST_F(ViciServer, AReloadSaysWhatIsDifferent) {
  EXPECT_EQ(ask("reload-settings").find_list("changes"), nullptr);
  on_server([this] { backend_.changes = {"gw is new"}; });
  EXPECT_EQ(*ask("reload-settings").find_list("changes"), List{"gw is new"});
}

TEST_F(ViciServer, WhyTellsTheLastFailure) {
  load_example();
  Message request, unknown;
  request.add("connection", "gw");
  EXPECT_EQ(ask("why", request).get("failed"), "no");
  on_server([this] {
    backend_.failures.record({{"gw", "net", 0, 0, {}, {}}, trace::WrongSecret{"sun"}},
                             std::chrono::system_clock::now());
  });
  const auto answer = ask("why", request);
  EXPECT_EQ(answer.get("failed"), "yes");
  EXPECT_EQ(answer.get("event"), "wrong_secret");
  EXPECT_THAT(std::string(answer.get("text")), HasSubstr("sun does not prove"));
  unknown.add("connection", "gx");
  EXPECT_THAT(*failure_of(ask("why", unknown)), HasSubstr("did you mean 'gw'"));
}

TEST_F(ViciServer, DropsClientsThatBreakTheProtocol) {
  const std::string_view hostile[] = {
      std::string_view("\xff\xff\xff\xff", 4),   // 4 GiB
      std::string_view("\0\0\0\0", 4),           // nothing
      std::string_view("\0\0\0\1\x09", 5),       // no such type
      std::string_view("\0\0\0\1\1", 5),         // a server's packet
      std::string_view("\0\0\0\4\0\1v\x02", 8),  // end of a section never begun
      std::string_view("GET / HTTP/1.1\r\nHost: x\r\n\r\n", 27),
  };
  for (const auto octets : hostile) {
    const int fd = raw_socket();
    ASSERT_EQ(::send(fd, octets.data(), octets.size(), 0), static_cast<ssize_t>(octets.size()));
    char byte;
    EXPECT_EQ(::recv(fd, &byte, 1, 0), 0) << octets;  // closed by the server
    ::close(fd);
  }
  EXPECT_TRUE(eventually([this] { return server_->clients() == 0; }));
  on_server([this, &hostile] { EXPECT_EQ(log_.size(), std::size(hostile)); });
  EXPECT_EQ(ask("version").get("daemon"), "culvertd");
}

TEST_F(ViciServer, HalfAMessageHoldsUpNobodyAndLeavesNothing) {
  const int fd = raw_socket();
  ASSERT_EQ(::send(fd, "\0\0\1\0\0\7ver", 9, 0), 9);
  EXPECT_EQ(ask("version").get("daemon"), "culvertd");
  ::close(fd);
  EXPECT_TRUE(eventually([this] { return server_->clients() == 0; }));
  on_server([this] { EXPECT_TRUE(log_.empty()); });
}

TEST_F(ViciServer, AClientThatNeverReadsIsDroppedAndOthersAreNot) {
  const int stuck = raw_socket();
  const auto registration = encode_segment({PacketType::event_register, "log", {}}).value();
  ASSERT_GT(::send(stuck, registration.data(), registration.size(), 0), 0);
  auto reading = client();
  ASSERT_TRUE(reading.register_event("log"));
  const trace::Event event{{}, trace::Notice{std::string(60'000, 'x')}};
  int received = 0;
  for (int i = 0; i < 200 && on_server([this] { return server_->clients(); }) == 2; ++i) {
    on_server([&] { server_->publish(event); });
    if (*reading.next_event(std::chrono::seconds(5))) ++received;
  }
  EXPECT_TRUE(eventually([this] { return server_->clients() == 1; }));
  EXPECT_GT(received, 60);  // 4 MiB of backlog, and what the kernel holds
  on_server([this] {
    ASSERT_EQ(log_.size(), 1u);
    EXPECT_THAT(log_[0], HasSubstr("reads too slowly"));
  });
  EXPECT_TRUE(reading.request("version"));
  ::close(stuck);
}

TEST_F(ViciServer, RequestsOfAClientThatNeverReadsStopBeingHandled) {
  load_example();
  const int stuck = raw_socket();
  const auto request = encode_segment({PacketType::cmd_request, "get-algorithms", {}}).value();
  timeval patience{0, 200'000};
  ::setsockopt(stuck, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  std::size_t sent = 0;
  while (::send(stuck, request.data(), request.size(), MSG_NOSIGNAL) > 0) sent += request.size();
  // What the server took is bounded by its buffers and the kernel's.
  EXPECT_LT(sent, 3 * limits::kMaxViciMessage);
  EXPECT_EQ(ask("version").get("daemon"), "culvertd");
  ::close(stuck);
}

TEST_F(ViciServer, StreamsMoreThanTheBacklogToAReader) {
  on_server([this] {
    for (std::uint32_t id = 1; id <= 8'000; ++id)
      backend_.sas.push_back(control::example_sa("gw" + std::to_string(id), id));
  });
  std::size_t count = 0;
  ASSERT_TRUE(
      client().stream("list-sas", {}, "list-sa", [&](const auto&, const auto&) { ++count; }));
  EXPECT_EQ(count, 8'000u);
}

TEST_F(ViciServer, LimitsTheNumberOfClients) {
  std::vector<int> sockets;
  for (std::size_t i = 0; i < limits::kMaxViciClients; ++i) sockets.push_back(raw_socket());
  ASSERT_TRUE(eventually([this] { return server_->clients() == limits::kMaxViciClients; }));
  const int extra = raw_socket();
  char byte;
  EXPECT_EQ(::recv(extra, &byte, 1, 0), 0);
  ::close(extra);
  for (const int fd : sockets) ::close(fd);
  EXPECT_TRUE(eventually([this] { return server_->clients() == 0; }));
  EXPECT_EQ(ask("version").get("daemon"), "culvertd");
}

TEST_F(ViciServer, TheSocketIsPrivateAndGoesWithTheServer) {
  struct stat status{};
  ASSERT_EQ(::stat(socket_file_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  on_server([this] { server_->close(); });
  EXPECT_FALSE(std::filesystem::exists(socket_file_));
}

TEST_F(ViciServer, ALiveSocketIsNotTakenOver) {
  asio::io_context io;
  Server second(io, backend_, [](trace::Level, const std::string&) {});
  const auto refused = second.listen(parse_address(uri_).value());
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error(), HasSubstr("another daemon listens"));
  EXPECT_EQ(ask("version").get("daemon"), "culvertd");
}

TEST_F(ViciServer, AStaleSocketIsReplacedButNotAFile) {
  const auto stale = folder_ / "stale.sock";
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  stale.string().copy(name.sun_path, sizeof(name.sun_path) - 1);
  ASSERT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&name), sizeof(name)), 0);
  ::close(fd);
  asio::io_context io;
  Server second(io, backend_, [](trace::Level, const std::string&) {});
  EXPECT_TRUE(second.listen(parse_address("unix://" + stale.string()).value()));
  const auto file = folder_ / "precious";
  std::ofstream(file) << "data";
  Server third(io, backend_, [](trace::Level, const std::string&) {});
  EXPECT_FALSE(third.listen(parse_address("unix://" + file.string()).value()));
  EXPECT_TRUE(std::filesystem::exists(file));
}

TEST_F(ViciServer, ServesTcpOnLoopback) {
  asio::io_context io;
  Server tcp(io, backend_, [](trace::Level, const std::string&) {});
  ASSERT_TRUE(tcp.listen(parse_address("tcp://127.0.0.1:45021").value()));
  std::thread serving([&] { io.run_for(std::chrono::seconds(2)); });
  auto connected = Client::connect("tcp://127.0.0.1:45021");
  ASSERT_TRUE(connected) << connected.error();
  EXPECT_EQ(connected->request("version")->get("daemon"), "culvertd");
  io.stop();
  serving.join();
}

}  // namespace
}  // namespace culvert::vici
