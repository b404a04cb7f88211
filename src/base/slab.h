// A slab: stable storage addressed by handles that go stale instead of dangling.
// Invariant: get() of a handle whose object was erased is nullptr, also after the slot's reuse.
#pragma once

#include <cassert>
#include <compare>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <utility>
#include <vector>

namespace culvert {

template <class T>
struct Handle {
  std::uint32_t index = 0;
  std::uint32_t generation = 0;  // odd while the slot is in use; 0 is the null handle
  constexpr auto operator<=>(const Handle&) const = default;
  constexpr explicit operator bool() const { return generation != 0; }
};

template <class T>
class Slab {
  static constexpr std::uint32_t kPageSize = 64;
  struct Slot {
    std::uint32_t generation = 0;
    std::uint32_t next_free = 0;
    std::optional<T> value;
  };

 public:
  template <class... Args>
  Handle<T> emplace(Args&&... args) {
    std::uint32_t index;
    if (first_free_ != kNone) {
      index = first_free_;
      first_free_ = slot(index).next_free;
    } else {
      index = static_cast<std::uint32_t>(pages_.size() * kPageSize);
      pages_.push_back(std::make_unique<Slot[]>(kPageSize));
      for (std::uint32_t i = kPageSize; i-- > 1;) {
        slot(index + i).next_free = first_free_;
        first_free_ = index + i;
      }
    }
    Slot& at = slot(index);
    at.value.emplace(std::forward<Args>(args)...);
    ++at.generation;
    ++size_;
    return {index, at.generation};
  }

  T* get(Handle<T> handle) {
    if (!handle || handle.index >= pages_.size() * kPageSize) return nullptr;
    Slot& at = slot(handle.index);
    return at.generation == handle.generation && at.value ? &*at.value : nullptr;
  }
  const T* get(Handle<T> handle) const { return const_cast<Slab*>(this)->get(handle); }

  bool erase(Handle<T> handle) {
    if (!get(handle)) return false;
    Slot& at = slot(handle.index);
    at.value.reset();
    ++at.generation;
    at.next_free = first_free_;
    first_free_ = handle.index;
    --size_;
    return true;
  }

  std::size_t size() const { return size_; }
  static constexpr std::size_t slot_size() { return sizeof(Slot); }

  // Calls f(handle, object) for each live object in index order; f may erase the object it is
  // given.
  template <class F>
  void for_each(F&& f) {
    for (std::uint32_t i = 0; i < pages_.size() * kPageSize; ++i)
      if (Slot& at = slot(i); at.value) f(Handle<T>{i, at.generation}, *at.value);
  }
  template <class F>
  void for_each(F&& f) const {
    const_cast<Slab*>(this)->for_each([&](Handle<T> handle, const T& value) { f(handle, value); });
  }

 private:
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  Slot& slot(std::uint32_t index) { return pages_[index / kPageSize][index % kPageSize]; }

  std::vector<std::unique_ptr<Slot[]>> pages_;
  std::uint32_t first_free_ = kNone;
  std::size_t size_ = 0;
};

}  // namespace culvert
