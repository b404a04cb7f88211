// Invariant: nothing here waits; what a program does or fails to do becomes events.
#include "daemon/hooks.h"

#include <fmt/format.h>

#include <cstdlib>
#include <map>

#include "io/interfaces.h"

namespace culvert {
namespace {

constexpr std::uint8_t kIcmp = 1, kIcmpV6 = 58;

bool forms_policy(const TrafficSelector& local, const TrafficSelector& remote) {
  return local.first.family() == remote.first.family() &&
         (local.protocol == 0 || remote.protocol == 0 || local.protocol == remote.protocol);
}

// A port, a range "1000:2000", or 0 for any. Of ICMP, type and code stand in one port: the local
// side is told the type, the remote side the code.
std::string port_text(const TrafficSelector& own, const TrafficSelector& other, bool local) {
  const auto protocol = std::max(own.protocol, other.protocol);
  if (protocol == kIcmp || protocol == kIcmpV6) {
    const auto both = own.start_port != 0 ? own.start_port : other.start_port;
    return fmt::format("{}", local ? both >> 8 : both & 0xff);
  }
  if (own.start_port == own.end_port) return fmt::format("{}", own.start_port);
  if (own.start_port == 0 && own.end_port == 65'535) return "0";
  return fmt::format("{}:{}", own.start_port, own.end_port);
}

std::string verb_of(const TrafficSelector& local, const IpAddress& me, bool up) {
  const bool host = local.first == me && local.last == me;
  return fmt::format("{}-{}{}", up ? "up" : "down", host ? "host" : "client",
                     local.first.is_v6() ? "-v6" : "");
}

// What is the same for all pairs of selectors. PATH is all that is left of our own environment.
std::vector<std::string> common_environment(const IkeSaStatus& sa, const ChildSaStatus& child,
                                            const std::string& interface) {
  std::vector<std::string> all{
      "PLUTO_VERSION=1.1",
      "PLUTO_CONNECTION=" + child.name,
      "PLUTO_INTERFACE=" + (interface.empty() ? "unknown" : interface),
      fmt::format("PLUTO_REQID={}", child.reqid),
      child.protocol == IpsecProtocol::ah ? "PLUTO_PROTO=ah" : "PLUTO_PROTO=esp",
      fmt::format("PLUTO_UNIQUEID={}", sa.unique_id),
      "PLUTO_ME=" + sa.local.address.to_string(),
      "PLUTO_MY_ID=" + sa.local_id,
      "PLUTO_PEER=" + sa.remote.address.to_string(),
      "PLUTO_PEER_ID=" + sa.remote_id,
  };
  if (const char* path = std::getenv("PATH")) all.push_back(fmt::format("PATH={}", path));
  // As strongSwan: the first one alone, then each with a number.
  const auto add_addresses = [&](std::string_view name, const std::vector<IpAddress>& addresses) {
    if (addresses.empty()) return;
    all.push_back(fmt::format("{}={}", name, addresses[0].to_string()));
    std::map<Family, int> numbers;
    for (const IpAddress& address : addresses)
      all.push_back(fmt::format("{}{}_{}={}", name, address.is_v4() ? '4' : '6',
                                ++numbers[address.family()], address.to_string()));
  };
  add_addresses("PLUTO_MY_SOURCEIP", sa.local_vips);
  add_addresses("PLUTO_PEER_SOURCEIP", sa.remote_vips);
  const auto add_mark = [&](std::string_view name, const Mark& mark) {
    if (mark) all.push_back(fmt::format("PLUTO_MARK_{}={}/0x{:08x}", name, mark.value, mark.mask));
  };
  const auto add_if_id = [&](std::string_view name, std::uint32_t id) {
    if (id != 0) all.push_back(fmt::format("PLUTO_IF_ID_{}={}", name, id));
  };
  add_mark("IN", child.mark_in);
  add_mark("OUT", child.mark_out);
  add_if_id("IN", child.if_id_in);
  add_if_id("OUT", child.if_id_out);
  if (child.udp_encap) all.push_back(fmt::format("PLUTO_UDP_ENC={}", sa.remote.port));
  if (child.cpi_in != 0) all.emplace_back("PLUTO_IPCOMP=1");
  if (child.config->hostaccess) all.emplace_back("PLUTO_HOST_ACCESS=1");
  return all;
}

// A program takes one subnet: a range is shown as the smallest that holds it.
std::string subnet_of(const TrafficSelector& selector) {
  return enclosing_prefix(selector.first, selector.last).to_string();
}

}  // namespace

std::vector<HookCall> hook_calls(const IkeSaStatus& sa, const ChildSaStatus& child, bool up,
                                 const std::string& interface) {
  std::vector<HookCall> calls;
  const auto common = common_environment(sa, child, interface);
  for (const auto& local : child.local_ts)
    for (const auto& remote : child.remote_ts) {
      if (!forms_policy(local, remote)) continue;
      HookCall call{verb_of(local, sa.local.address, up), common};
      for (auto&& variable : {"PLUTO_VERB=" + call.verb, "PLUTO_MY_CLIENT=" + subnet_of(local),
                              "PLUTO_MY_PORT=" + port_text(local, remote, true),
                              fmt::format("PLUTO_MY_PROTOCOL={}", local.protocol),
                              "PLUTO_PEER_CLIENT=" + subnet_of(remote),
                              "PLUTO_PEER_PORT=" + port_text(remote, local, false),
                              fmt::format("PLUTO_PEER_PROTOCOL={}", remote.protocol)})
        call.environment.push_back(variable);
      calls.push_back(std::move(call));
    }
  return calls;
}

Hooks::Hooks(io::EventLoop& loop, Emit emit, io::ProgramRunner::Options options)
    : emit_(std::move(emit)), runner_(loop, options) {}

std::string Hooks::interface_of(const IkeSaStatus& sa, const ChildSaStatus& child, bool up) {
  if (up) return interfaces_[child.reqid] = io::interface_of(sa.local.address);
  const auto known = interfaces_.extract(child.reqid);
  return known ? known.mapped() : std::string();
}

void Hooks::run(const UpDown& change) {
  if (!change.child) return;
  const auto& child = change.sa.children[*change.child];
  if (child.config->updown.empty()) return;
  trace::Subject subject;
  subject.connection = change.sa.name;
  subject.child = child.name;
  subject.ike_unique_id = change.sa.unique_id;
  subject.child_unique_id = child.unique_id;
  subject.local = change.sa.local;
  subject.remote = change.sa.remote;
  const auto interface = interface_of(change.sa, child, change.up);
  for (auto& call : hook_calls(change.sa, child, change.up, interface)) {
    const auto& command = child.config->updown;
    io::Program program;
    program.command = command;
    program.environment = std::move(call.environment);
    program.on_line = [this, subject](const std::string& line) {
      emit_({subject, trace::HookOutput{line}});
    };
    program.on_end = [this, subject, command, verb = call.verb](const std::string& outcome) {
      if (!outcome.empty()) emit_({subject, trace::HookFailed{command, outcome, verb}});
    };
    if (!runner_.run(child.reqid, std::move(program)))
      emit_({subject, trace::HookSkipped{command, call.verb, runner_.waiting()}});
  }
}

}  // namespace culvert
