// A stack of its own for a call into libssl that has to wait in the middle for a signature which
// somebody else makes (ASYNC_start_job(3)). Invariant: at most one piece of work runs or waits.
#pragma once

#include <openssl/async.h>

#include <functional>

#include "crypto/openssl_handles.h"
#include "crypto/tls.h"

namespace culvert::openssl {

class Fiber {
 public:
  // `work` may run again when it has ended. `signer` is what a key without a signer of its own uses
  // on this fiber; it may wait().
  Fiber(std::function<void()> work, tls::Signer signer);
  ~Fiber() = default;  // it must not wait
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Starts the work or goes on with it, until it ends or waits. False: there is no stack to be had.
  bool advance();
  bool waits() const { return job_ != nullptr; }

  // From the work: back to the caller of advance(), until that is called again.
  static void wait() { ASYNC_pause_job(); }
  // The one that is running; nullptr on the ordinary stack.
  static Fiber* current();
  const tls::Signer& signer() const { return signer_; }

 private:
  std::function<void()> work_;
  tls::Signer signer_;
  Handle<ASYNC_WAIT_CTX, ASYNC_WAIT_CTX_free> context_;
  ASYNC_JOB* job_ = nullptr;  // while it waits
};

}  // namespace culvert::openssl
