// Fetching over HTTP, against servers that behave and servers that do not.
#include "io/fetcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>

namespace culvert::io {
namespace {

using ::testing::HasSubstr;
using State = HttpResponse::State;
using asio::ip::tcp;

// ---- messages ----

TEST(HttpUrl, IsTakenApart) {
  const auto url = parse_http_url("HTTP://pki.example.org:8080/a/b.crl?x=1#top");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->host, "pki.example.org");
  EXPECT_EQ(url->port, 8080);
  EXPECT_EQ(url->authority, "pki.example.org:8080");
  EXPECT_EQ(url->target, "/a/b.crl?x=1");
  EXPECT_EQ(parse_http_url("http://[2001:db8::1]")->host, "2001:db8::1");
  EXPECT_EQ(parse_http_url("http://a?q")->target, "/?q");
}

TEST(HttpUrl, OthersAreRefusedAndSayWhy) {
  EXPECT_THAT(parse_http_url("ldap://a/b").error(), HasSubstr("ldap"));
  EXPECT_THAT(parse_http_url("file:///etc/passwd").error(), HasSubstr("file"));
  EXPECT_THAT(parse_http_url("https://a/").error(), HasSubstr("https"));
  for (const char* bad :
       {"", "http://", "http:///x", "http://a:0/", "http://a:70000/", "http://a:x/", "http://[::1/",
        "http://u@a/", "http://a/\r\nX: y", "http://a b/", "gopher://a"})
    EXPECT_FALSE(parse_http_url(bad)) << bad;
}

TEST(HttpUrl, LocationsAreRelativeToTheUrl) {
  const auto url = *parse_http_url("http://a:81/x/y?z/w");
  EXPECT_EQ(resolve_location(url, "http://b/c"), "http://b/c");
  EXPECT_EQ(resolve_location(url, "/c"), "http://a:81/c");
  EXPECT_EQ(resolve_location(url, "c"), "http://a:81/x/c");
  EXPECT_EQ(resolve_location(url, "//b/c"), "http://b/c");
}

struct Read {
  State state;
  std::string body, error;
};
// In pieces of every size.
std::vector<Read> read(std::string_view text, std::size_t most = 100) {
  std::vector<Read> all;
  for (std::size_t piece = 1; piece <= text.size(); ++piece) {
    HttpResponse response(most);
    auto state = State::unfinished;
    for (std::size_t at = 0; at < text.size(); at += piece)
      state = response.feed(as_bytes(text.substr(at, piece)));
    if (state == State::unfinished) state = response.end();
    const Bytes body = response.take_body();
    all.push_back({state, std::string(as_text(body)), response.error()});
  }
  return all;
}

TEST(HttpResponse, BodiesEndByLengthByChunksOrByTheEnd) {
  for (const char* text :
       {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length:5\r\n\r\nhello",
        "HTTP/1.0 200 OK\n\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\n"
        "Trailer: x\r\n\r\n"})
    for (const Read& one : read(text)) {
      EXPECT_EQ(one.state, State::complete) << text;
      EXPECT_EQ(one.body, "hello") << text;
    }
}

TEST(HttpResponse, WhatBreaksTheRulesIsBroken) {
  for (const char* text :
       {"SSH-2.0-x\r\n", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
        "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", "HTTP/1.1 200 OK\r\n"})
    for (const Read& one : read(text)) EXPECT_EQ(one.state, State::broken) << text;
}

TEST(HttpResponse, IsBounded) {
  const std::string large(101, 'x');
  for (const std::string& text :
       {"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n" + large, "HTTP/1.1 200 OK\r\n\r\n" + large,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n" + large + "\r\n0\r\n\r\n"})
    for (const Read& one : read(text)) EXPECT_THAT(one.error, HasSubstr("more than 100"));
  HttpResponse head(100);
  EXPECT_EQ(head.feed(as_bytes("HTTP/1.1 200 OK\r\nX: " + std::string(20'000, 'x'))),
            State::broken);
}

// ---- against servers ----

// Answers each connection with the next of its answers; none: it stays silent.
class Server {
 public:
  explicit Server(EventLoop& loop) : acceptor_(loop.context(), tcp::endpoint(tcp::v4(), 0)) {
    accept();
  }
  std::string url(const std::string& path = "/x") const {
    return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()) + path;
  }
  static std::string ok(const std::string& body) {
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }

  std::vector<std::string> answers, requests;
  std::size_t connections = 0;

 private:
  struct Client {
    explicit Client(tcp::socket s) : socket(std::move(s)) {}
    tcp::socket socket;
    std::array<char, 4'096> buffer;
    std::string answer;
  };
  void accept() {
    acceptor_.async_accept([this](const asio::error_code& error, tcp::socket socket) {
      if (error) return;
      ++connections;
      auto client = std::make_shared<Client>(std::move(socket));
      clients_.push_back(client);
      client->socket.async_read_some(
          asio::buffer(client->buffer), [this, client](const asio::error_code&, std::size_t size) {
            requests.emplace_back(client->buffer.data(), size);
            if (answers.empty()) return;
            client->answer = answers.front();
            answers.erase(answers.begin());
            asio::async_write(
                client->socket, asio::buffer(client->answer),
                [client](const asio::error_code&, std::size_t) { client->socket.close(); });
          });
      accept();
    });
  }
  tcp::acceptor acceptor_;
  std::vector<std::shared_ptr<Client>> clients_;
};

class FetcherTest : public ::testing::Test {
 protected:
  void make(Fetcher::Options options = {}) {
    options.patience = 300ms;
    options.deadline = 1s;
    fetcher = std::make_unique<Fetcher>(loop, std::move(options));
  }
  void fetch(std::vector<std::string> urls, std::string_view body = {}) {
    FetchEvidence wanted;
    wanted.requests.push_back({body.empty() ? FetchRequest::Kind::crl : FetchRequest::Kind::ocsp,
                               std::move(urls), to_bytes(as_bytes(body))});
    fetcher->fetch(std::move(wanted), [this](FetchedEvidence&& fetched) {
      for (Fetched& one : fetched.answers) results.push_back(std::move(one));
    });
  }
  void wait_for(std::size_t count) {
    const auto end = loop.now() + 5s;
    while (results.size() < count && loop.now() < end) {
      loop.context().restart();
      loop.context().run_one_for(std::chrono::milliseconds(20));
    }
    ASSERT_EQ(results.size(), count);
  }
  static std::string text(const Fetched& fetched) { return std::string(as_text(fetched.octets)); }

  EventLoop loop;
  Server server{loop};
  std::unique_ptr<Fetcher> fetcher;
  std::vector<Fetched> results;
};

TEST_F(FetcherTest, GetsAndPosts) {
  make();
  server.answers = {Server::ok("crl"), Server::ok("ocsp")};
  fetch({server.url("/ca.crl")});
  EXPECT_TRUE(results.empty());
  wait_for(1);
  EXPECT_EQ(text(results[0]), "crl");
  EXPECT_THAT(server.requests[0], HasSubstr("GET /ca.crl HTTP/1.1\r\nHost: 127.0.0.1:"));
  fetch({server.url()}, "question");
  wait_for(2);
  EXPECT_EQ(text(results[1]), "ocsp");
  EXPECT_THAT(server.requests[1], HasSubstr("POST /x"));
  EXPECT_THAT(server.requests[1], HasSubstr("\r\n\r\nquestion"));
}

TEST_F(FetcherTest, GoesOnToTheNextUrl) {
  make();
  server.answers = {"HTTP/1.1 404 Not Found\r\n\r\n", Server::ok("crl")};
  fetch({"ldap://a/b", server.url("/1"), server.url("/2")});
  wait_for(1);
  EXPECT_EQ(text(results[0]), "crl");
  EXPECT_EQ(results[0].url, server.url("/2"));
}

TEST_F(FetcherTest, SaysWhatTheLastOneDid) {
  make();
  server.answers = {"HTTP/1.1 404 Not Found\r\n\r\n"};
  fetch({server.url()});
  wait_for(1);
  EXPECT_EQ(results[0].error, "the server answers with status 404");
  EXPECT_TRUE(results[0].octets.empty());
}

TEST_F(FetcherTest, FollowsRedirectsSoManyTimes) {
  make();
  const std::string away = "HTTP/1.1 302 Found\r\nLocation: /next\r\n\r\n";
  server.answers = {away, away, Server::ok("crl")};
  fetch({server.url("/1")});
  wait_for(1);
  EXPECT_EQ(text(results[0]), "crl");
  server.answers = {away, away, away, away, Server::ok("crl")};
  fetch({server.url("/2")});
  wait_for(2);
  EXPECT_EQ(results[1].error, "the server answers with status 302");
  server.answers = {"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n"};
  fetch({server.url("/3")});
  wait_for(3);
  EXPECT_THAT(results[2].error, HasSubstr("file"));
}

TEST_F(FetcherTest, EqualQuestionsAreAskedOnceAndAnswersKept) {
  make();
  server.answers = {Server::ok("crl"), Server::ok("other")};
  for (int i = 0; i < 5; ++i) fetch({server.url()});
  wait_for(5);
  fetch({server.url()});
  wait_for(6);
  for (const Fetched& one : results) EXPECT_EQ(text(one), "crl");
  EXPECT_EQ(server.connections, 1u);
}

TEST_F(FetcherTest, ASilentServerIsGivenUpAndLeftAlone) {
  make();
  fetch({server.url("/1")});
  const auto start = loop.now();
  wait_for(1);
  EXPECT_EQ(results[0].error, "the server does not answer");
  EXPECT_LT(loop.now() - start, 900ms);
  EXPECT_EQ(server.connections, 1u);
  fetch({server.url("/2")});
  wait_for(2);
  EXPECT_THAT(results[1].error, HasSubstr("a moment ago"));
  EXPECT_EQ(server.connections, 1u);
}

TEST_F(FetcherTest, OneThatCanNotBeReachedIsNamed) {
  make();
  fetch({"http://127.0.0.1:1/"});
  wait_for(1);
  EXPECT_THAT(results[0].error, HasSubstr("refused"));
}

TEST_F(FetcherTest, AStuckNameServerEndsAtTheDeadlineAndHoldsUpNobody) {
  std::promise<void> release;
  Fetcher::Options options;
  options.lookup = [gate =
                        release.get_future().share()](const std::string&) -> NameLookup::Addresses {
    gate.wait();
    return std::unexpected("too late");
  };
  make(std::move(options));
  server.answers = {Server::ok("crl")};
  for (int i = 0; i < 9; ++i) fetch({"http://stuck" + std::to_string(i) + ".example/"});
  fetch({server.url()});
  wait_for(1);
  EXPECT_EQ(text(results[0]), "crl");
  wait_for(10);
  EXPECT_THAT(results[9].error, HasSubstr("the name servers do not answer"));
  release.set_value();
}

TEST_F(FetcherTest, MayGoWhileItFetches) {
  make();
  fetch({server.url()});
  loop.context().run_for(std::chrono::milliseconds(50));
  EXPECT_EQ(server.connections, 1u);
  fetcher.reset();
  loop.context().restart();
  loop.context().run_for(std::chrono::milliseconds(50));
  EXPECT_TRUE(results.empty());
}

}  // namespace
}  // namespace culvert::io
