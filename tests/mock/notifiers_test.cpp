// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <pagemap/scene.hpp>

using namespace support;

namespace {

using svm::invalidation_cause;
using notifiers = svm::mock::notifiers<lock_policy>;

// What every port has is tested in port/notifier_list_test.cpp; here is what the mock adds.

/// A subscriber that does what a callback must, and counts.
struct subscriber final : svm::invalidation_target {
  notifiers* home = nullptr;
  notifiers::registration registration;
  int calls = 0;
  int finishes = 0;
  bool takes_time = false;
  std::function<void()> inside;
  std::function<void()> at_finish;

  [[nodiscard]] svm::invalidation_answer invalidate(svm::invalidation const&,
                                                    std::uint64_t sequence) noexcept override {
    home->set_sequence(registration, sequence);
    ++calls;
    if (inside) inside();
    return takes_time ? svm::invalidation_answer::pending : svm::invalidation_answer::done;
  }
  void finish_invalidation(svm::invalidation const&) noexcept override {
    ++finishes;
    if (at_finish) at_finish();
  }
};

struct notifier_scene {
  svm::mock::failure_plan failures;
  svm::mock::report broken;
  svm::mock::steps hooks;
  notifiers all{failures, broken, hooks};
  subscriber a, b;

  notifier_scene() { a.home = b.home = &all; }
  ~notifier_scene() {
    CHECK(broken.empty());
    CHECK(all.is_quiet());
  }
  void subscribe(subscriber& s, std::uint64_t first, std::uint64_t count) {
    REQUIRE(all.insert(s.registration, span(page_at(first), count * page_bytes), s) == errc::ok);
  }
  bool event(
      std::uint64_t first, std::uint64_t count, std::function<void()> change = [] {}) {
    return all.invalidate({span(page_at(first), count * page_bytes), invalidation_cause::clear}, change);
  }
};

}  // namespace

TEST_SUITE("mock/notifiers") {
  TEST_CASE_FIXTURE(notifier_scene, "all targets are told before the first is waited for, and all before the change") {
    subscribe(a, 0, 4);
    subscribe(b, 0, 4);
    a.takes_time = b.takes_time = true;
    std::string order;
    a.inside = [&] { order += "a"; };
    b.inside = [&] { order += "b"; };
    a.at_finish = [&] { order += "A"; };
    b.at_finish = [&] { order += "B"; };
    hooks.hook = [&](step s) { order += s == step::told ? "|" : "?"; };
    CHECK(event(0, 1, [&] { order += "!"; }));
    CHECK(order == "ab|AB!");
    b.takes_time = false;
    CHECK(event(0, 1));
    CHECK(a.finishes == 2);
    CHECK(b.finishes == 1);
    all.remove(a.registration);
    all.remove(b.registration);
  }

  TEST_CASE_FIXTURE(notifier_scene, "a registration that fails on demand leaves nothing") {
    failures.arm(failure::notifier, 1);
    CHECK(all.insert(a.registration, span(base, page_bytes), a) == errc::registration_failed);
    CHECK(all.registered() == 0);
    CHECK(event(0, 1));
    CHECK(a.calls == 0);
  }
}
