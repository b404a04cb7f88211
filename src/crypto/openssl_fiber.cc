#include "crypto/openssl_fiber.h"

#include <utility>

namespace culvert::openssl {
namespace {

// How current() finds the fiber of a job: as the argument of a callback that nobody calls.
int no_callback(void*) { return 0; }

}  // namespace

Fiber::Fiber(std::function<void()> work, tls::Signer signer)
    : work_(std::move(work)), signer_(std::move(signer)), context_(ASYNC_WAIT_CTX_new()) {
  if (context_ != nullptr) ASYNC_WAIT_CTX_set_callback(context_.get(), no_callback, this);
}

bool Fiber::advance() {
  if (context_ == nullptr) return false;
  Fiber* self = this;
  const auto run = [](void* argument) {
    (*static_cast<Fiber**>(argument))->work_();
    return 1;
  };
  int result = 0;
  const int end = ASYNC_start_job(&job_, context_.get(), &result, run, &self, sizeof(self));
  return end == ASYNC_PAUSE || end == ASYNC_FINISH;
}

Fiber* Fiber::current() {
  ASYNC_JOB* job = ASYNC_get_current_job();
  if (job == nullptr) return nullptr;
  ASYNC_callback_fn callback = nullptr;
  void* argument = nullptr;
  ASYNC_WAIT_CTX_get_callback(ASYNC_get_wait_ctx(job), &callback, &argument);
  return callback == no_callback ? static_cast<Fiber*>(argument) : nullptr;
}

}  // namespace culvert::openssl
