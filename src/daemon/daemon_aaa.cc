// What the shard and the AAA services have to say to each other.
#include "daemon/daemon.h"

namespace culvert {

Aaa::Handlers Daemon::aaa_handlers() {
  return {[this](JobId job, AaaAnswer&& answer) {
            shard_->complete(job, std::move(answer), now());
            drain();
          },
          [this](trace::Event&& event) {
            own_events_.count(event);
            carry_out(std::move(event));
          }};
}

void Daemon::carry_out(AskAaa&& output) { aaa_.ask(std::move(output)); }

}  // namespace culvert
