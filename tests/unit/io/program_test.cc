// Programs run beside the loop: their output, their order, their deadlines.
#include "io/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace culvert::io {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

// A zombie too, until its new parent reaps it.
bool is_dead(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/stat");
  std::string number, name, state;
  return !(status >> number >> name >> state) || state == "Z" || state == "X";
}

struct ProgramTest : testing::Test {
  EventLoop loop;
  std::vector<std::string> lines, outcomes;

  Program program(const std::string& command) {
    return {command,
            {"PATH=/usr/bin:/bin", "NAME=a value"},
            [this](const std::string& line) { lines.push_back(line); },
            [this](const std::string& outcome) { outcomes.push_back(outcome); }};
  }
  void run_until(const std::function<bool()>& done) {
    const auto end = loop.now() + 20s;
    while (!done() && loop.now() < end) {
      loop.context().restart();
      loop.context().run_one_for(std::chrono::milliseconds(20));
    }
    ASSERT_TRUE(done());
  }
  void run_until_ended(std::size_t count) {
    run_until([&, count] { return outcomes.size() == count; });
  }
};

TEST_F(ProgramTest, GivesTheEnvironmentAndTakesTheOutputLineByLine) {
  ProgramRunner runner(loop, {});
  EXPECT_TRUE(runner.run(1, program("echo $NAME; echo 'on \033[2Jthe other' >&2; printf last")));
  run_until_ended(1);
  EXPECT_THAT(lines, ElementsAre("a value", "on  [2Jthe other", "last"));
  EXPECT_THAT(outcomes, ElementsAre(""));
  EXPECT_TRUE(runner.idle());
}

TEST_F(ProgramTest, SaysHowItEnded) {
  ProgramRunner runner(loop, {});
  runner.run(1, program("exit 3"));
  runner.run(1, program("kill -9 $$"));
  runner.run(1, program("/nonexistent/hook"));
  run_until_ended(3);
  EXPECT_THAT(outcomes,
              ElementsAre("ended with status 3", "was ended by signal 9", "ended with status 127"));
  EXPECT_THAT(lines, ElementsAre(HasSubstr("/nonexistent/hook")));
}

TEST_F(ProgramTest, KillsTheWholeGroupAtTheDeadline) {
  ProgramRunner runner(loop, {.deadline = 300ms});
  runner.run(1, program("sleep 100 & echo $!; wait"));
  run_until_ended(1);
  EXPECT_THAT(outcomes, ElementsAre(HasSubstr("was killed")));
  ASSERT_THAT(lines, SizeIs(1));
  const pid_t sleeper = std::stoi(lines[0]);
  run_until([&] { return is_dead(sleeper); });
}

TEST_F(ProgramTest, KeepsTheOrderWithinALaneAndLetsOthersPass) {
  const auto fifo =
      std::filesystem::temp_directory_path() / ("culvert-lanes-" + std::to_string(::getpid()));
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  ProgramRunner runner(loop, {});
  runner.run(1, program("read word < " + fifo.string() + "; echo first"));
  runner.run(1, program("echo second"));
  runner.run(2, program("echo other"));
  run_until_ended(1);
  EXPECT_THAT(lines, ElementsAre("other"));
  EXPECT_EQ(runner.waiting(), 1u);
  std::ofstream(fifo) << "go\n";
  run_until_ended(3);
  EXPECT_THAT(lines, ElementsAre("other", "first", "second"));
  std::filesystem::remove(fifo);
}

TEST_F(ProgramTest, BoundsWhatRunsWhatWaitsAndWhatIsSaid) {
  ProgramRunner runner(loop, {.max_running = 1, .max_waiting = 1, .max_lines = 10});
  EXPECT_TRUE(runner.run(1, program("seq 100000; head -c 5000 /dev/zero | tr '\\0' x")));
  EXPECT_TRUE(runner.run(2, program("echo two")));
  EXPECT_FALSE(runner.run(3, program("echo three")));
  run_until_ended(2);
  EXPECT_THAT(lines, SizeIs(12));
  EXPECT_EQ(lines[9], "10");
  EXPECT_THAT(lines[10], HasSubstr("more lines"));
  EXPECT_EQ(lines[11], "two");
}

TEST_F(ProgramTest, DoesNotWaitForWhatWasLeftInTheBackground) {
  ProgramRunner runner(loop, {});
  runner.run(1, program("sleep 1000 & echo $!"));
  run_until_ended(1);
  ASSERT_THAT(lines, SizeIs(1));
  ::kill(std::stoi(lines[0]), SIGKILL);
}

// No descriptor of ours, no blocked signal, no ignored signal.
TEST_F(ProgramTest, InheritsNothing) {
  const int open = ::dup(STDERR_FILENO);  // without close-on-exec
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &blocked, nullptr);
  ProgramRunner runner(loop, {});
  runner.run(1, program("ls /proc/self/fd; grep -E 'Sig(Blk|Ign)' /proc/self/status"));
  run_until_ended(1);
  ::sigprocmask(SIG_UNBLOCK, &blocked, nullptr);
  std::signal(SIGPIPE, SIG_DFL);
  ::close(open);
  ASSERT_THAT(lines, SizeIs(6));
  const auto ignored = std::stoull(lines.back().substr(lines.back().find('0')), nullptr, 16);
  EXPECT_EQ(ignored & 1ull << (SIGPIPE - 1), 0u) << lines.back();
  lines.pop_back();
  // 3 is the directory that ls reads.
  EXPECT_THAT(lines, ElementsAre("0", "1", "2", "3", "SigBlk: 0000000000000000"));
}

TEST_F(ProgramTest, KillsWhatRunsWhenItGoes) {
  auto runner = std::make_unique<ProgramRunner>(loop, ProgramRunner::Options{});
  runner->run(1, program("echo $$; exec sleep 1000"));
  run_until([&] { return lines.size() == 1; });
  runner.reset();
  run_until([&] { return is_dead(std::stoi(lines[0])); });
  EXPECT_THAT(outcomes, IsEmpty());
}

}  // namespace
}  // namespace culvert::io
