// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/conformance/allocator.hpp>

#include <cstddef>
#include <cstring>
#include <mutex>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

#include <support/ledger_allocator.hpp>
#include <svm/mock/machine/counting_allocator.hpp>
#include <svm/std/heap.hpp>

namespace {

using svm::conformance::broken_promises;
using svm::conformance::kept;
namespace suite = svm::conformance::allocator;

/// The heap with a limit, and with one flaw at a time.
class flawed_allocator {
 public:
  enum class flaw { none, misaligned, overlapping, keeps_all, spills, deaf_to_other_threads, one_arena_a_thread };
  explicit flawed_allocator(flaw f) : flaw_(f) {}
  flawed_allocator(flawed_allocator const&) = delete;
  flawed_allocator& operator=(flawed_allocator const&) = delete;
  ~flawed_allocator() {
    for (std::byte* const memory : lost_) ::operator delete (memory, std::align_val_t{64});
  }

  std::byte* allocate(std::size_t size, std::size_t alignment) noexcept {
    std::scoped_lock const guard{lock_};
    if (out_ + size > limit) return nullptr;
    out_ += size;
    if (flaw_ == flaw::one_arena_a_thread && std::this_thread::get_id() != home_) return arena_;
    auto* const memory = static_cast<std::byte*>(::operator new (size + 1024, std::align_val_t{64}));
    if (flaw_ == flaw::misaligned && alignment > 1) return memory + 1;
    if (flaw_ == flaw::overlapping && size == 5000) {
      lost_.push_back(memory);
      return last_;
    }
    last_ = memory;
    last_size_ = size;
    return memory;
  }
  void deallocate(std::byte* memory, std::size_t size, std::size_t alignment) noexcept {
    std::scoped_lock const guard{lock_};
    bool const elsewhere = std::this_thread::get_id() != home_;
    if (flaw_ == flaw::one_arena_a_thread && memory == arena_) {
      out_ -= size;
      return;
    }
    if (flaw_ == flaw::misaligned && alignment > 1) --memory;
    if (flaw_ == flaw::overlapping && size == 5000) {
      out_ -= size;
      return;
    }
    if (memory == last_) last_ = nullptr;
    if (flaw_ == flaw::spills && size == 100 && last_ != nullptr) std::memset(last_, 0, last_size_);
    if (flaw_ == flaw::overlapping && size == 4096) {  // the other block still lies in it
      out_ -= size;
      lost_.push_back(memory);
      return;
    }
    bool const loses = flaw_ == flaw::keeps_all || (flaw_ == flaw::deaf_to_other_threads && elsewhere);
    if (!loses) out_ -= size;
    if (flaw_ == flaw::deaf_to_other_threads && elsewhere) out_ = limit;  // so many rounds as it takes, at once
    if (loses)
      lost_.push_back(memory);
    else
      ::operator delete (memory, std::align_val_t{64});
  }

 private:
  static constexpr std::size_t limit = 1 << 18;
  flaw const flaw_;
  std::mutex lock_;
  std::thread::id const home_ = std::this_thread::get_id();
  std::size_t out_ = 0;
  std::byte* last_ = nullptr;
  std::size_t last_size_ = 0;
  std::vector<std::byte*> lost_;
  alignas(64) std::byte arena_[8192];
};
using enum flawed_allocator::flaw;

[[nodiscard]] broken_promises found_in(flawed_allocator::flaw f) {
  flawed_allocator a{f};
  return suite::check_all(a);
}

/// Just this promise.
[[nodiscard]] broken_promises broken(int number) {
  return {suite::promises, {number}};
}

}  // namespace

TEST_SUITE("conformance/allocator") {
  TEST_CASE("heap keeps the promises of an allocator") {
    svm::heap a;
    CHECK(suite::check_all(a) == kept);
  }

  TEST_CASE("the simulated machine's allocator keeps the promises of an allocator") {
    svm::mock::failure_plan failures;
    svm::mock::report broken;
    svm::mock::counting_allocator a{failures, broken};
    CHECK(suite::check_all(a) == kept);
    CHECK(a.live_blocks() == 0);
    CHECK(broken.empty());
  }

  TEST_CASE("an allocator that is broken in one way is reported with that promise alone") {
    CHECK(found_in(none) == kept);
    CHECK(found_in(misaligned) == broken(2));
    CHECK(found_in(overlapping) == broken(1));
    CHECK(found_in(keeps_all) == broken(3));
    CHECK(found_in(spills) == broken(4));
    CHECK(found_in(deaf_to_other_threads) == broken(5));
    CHECK(found_in(one_arena_a_thread) == broken(5));
  }
}
