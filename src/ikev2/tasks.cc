#include "ikev2/tasks.h"

#include <algorithm>

#include "ikev2/child_rekey.h"
#include "ikev2/create_child_sa.h"
#include "ikev2/ike_rekey.h"
#include "ikev2/informational.h"
#include "ikev2/mobike.h"
#include "ikev2/reauthentication.h"

namespace culvert::ikev2 {
namespace {

struct Starter {
  Host& host;
  IkeSa& sa;
  TimePoint now;
  void operator()(CheckLiveness&) const { send_liveness_check(host, sa, now); }
  void operator()(CreateChild& task) const { send_create_child_sa(host, sa, task, now); }
  void operator()(RekeyChild& task) const { send_child_rekey(host, sa, task, now); }
  void operator()(RekeyIke& task) const { send_ike_rekey(host, sa, task, now); }
  void operator()(DeleteChild& task) const { send_child_delete(host, sa, task, now); }
  void operator()(RefuseChild& task) const { send_child_refusal(host, sa, task, now); }
  void operator()(DeleteIke& task) const { send_ike_delete(host, sa, task, now); }
  template <class T>
    requires std::same_as<T, UpdateAddresses> || std::same_as<T, AnnounceAddresses> ||
             std::same_as<T, VerifyAddress>
  void operator()(T& task) const {
    send_address_task(host, sa, task, now);
  }
};

struct TaskName {
  std::string operator()(const CheckLiveness&) const { return "IKE_DPD"; }
  std::string operator()(const CreateChild&) const { return "CHILD_CREATE"; }
  std::string operator()(const ChildRequest& request) const {
    return request.rekeys ? "CHILD_REKEY" : "CHILD_CREATE";
  }
  std::string operator()(const RekeyChild&) const { return "CHILD_REKEY"; }
  std::string operator()(const RekeyIke&) const { return "IKE_REKEY"; }
  std::string operator()(const IkeRequest&) const { return "IKE_REKEY"; }
  std::string operator()(const DeleteChild&) const { return "CHILD_DELETE"; }
  std::string operator()(const RefuseChild&) const { return "CHILD_DELETE"; }
  std::string operator()(const DeleteIke&) const { return "IKE_DELETE"; }
  std::string operator()(const UpdateAddresses&) const { return "IKE_MOBIKE"; }
  std::string operator()(const AnnounceAddresses&) const { return "IKE_MOBIKE"; }
  std::string operator()(const VerifyAddress&) const { return "IKE_MOBIKE"; }
  std::string operator()(const AddressRequest&) const { return "IKE_MOBIKE"; }
  std::string operator()(std::monostate) const { return {}; }
};

bool is_wanted(const IkeSa& sa, const std::string& name) {
  const auto& up = *sa.in<Established>();
  if (const auto* request = std::get_if<ChildRequest>(&up.in_flight);
      request && request->offer.config->name == name)
    return true;
  return std::ranges::any_of(up.queue, [&](const Task& task) {
    const auto* create = std::get_if<CreateChild>(&task);
    return create && create->config->name == name;
  });
}

}  // namespace

bool is_ending(const IkeSa& sa, const ChildSa& child) {
  if (child.is_going()) return true;
  return std::ranges::any_of(sa.in<Established>()->queue, [&](const Task& task) {
    const auto* deletion = std::get_if<DeleteChild>(&task);
    return deletion && deletion->pair == child.pair;
  });
}

bool covers(const IkeSa& sa, std::string_view name, const ScopeRef& scope) {
  return std::ranges::any_of(sa.children, [&](const ChildSa& child) {
    if (child.config->name != name || is_ending(sa, child)) return false;
    return !scope ||
           (is_subset(scope->local, child.local_ts) && is_subset(scope->remote, child.remote_ts));
  });
}

void queue_child(IkeSa& sa, ChildConfigRef config, ScopeRef scope) {
  if (covers(sa, config->name, scope) || is_wanted(sa, config->name)) return;
  queue_task(sa, CreateChild{std::move(config), Ke::none, std::move(scope)});
}

void queue_task(IkeSa& sa, Task&& task) { sa.in<Established>()->queue.push_back(std::move(task)); }

void queue_ike_delete(IkeSa& sa, std::string_view by) {
  auto& up = *sa.in<Established>();
  up.queue.clear();
  up.queue.push_back(DeleteIke{by});
}

std::string_view closing_by(const IkeSa& sa) {
  const auto* up = sa.in<Established>();
  if (!up) return {};
  if (const auto* sent = std::get_if<DeleteIke>(&up->in_flight)) return sent->by;
  for (const Task& task : up->queue)
    if (const auto* queued = std::get_if<DeleteIke>(&task)) return queued->by;
  return {};
}

bool is_closing(const IkeSa& sa) { return !closing_by(sa).empty(); }

void run_next_task(Host& host, IkeSa& sa, TimePoint now) {
  // A task may find that there is nothing to do; then the next one starts.
  while (auto* up = sa.in<Established>()) {
    if (sa.outstanding) return;
    if (up->queue.empty()) return finish_reauthentication(host, sa, now);
    Task task = std::move(up->queue.front());
    up->queue.pop_front();
    std::visit(Starter{host, sa, now}, task);
  }
}

std::vector<std::string> queued_task_names(const IkeSa& sa) {
  std::vector<std::string> names;
  if (const auto* up = sa.in<Established>())
    for (const Task& task : up->queue) names.push_back(std::visit(TaskName{}, task));
  return names;
}

std::vector<std::string> active_task_names(const IkeSa& sa) {
  if (sa.in<InitSent>()) return {"IKE_VENDOR", "IKE_INIT", "IKE_NATD", "IKE_AUTH", "CHILD_CREATE"};
  if (sa.in<AuthSent>()) return {"IKE_AUTH", "CHILD_CREATE"};
  const auto* up = sa.in<Established>();
  std::string name = up ? std::visit(TaskName{}, up->in_flight) : std::string();
  if (name.empty()) return {};
  return {std::move(name)};
}

}  // namespace culvert::ikev2
