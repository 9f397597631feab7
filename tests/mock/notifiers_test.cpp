// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <pagemap/scene.hpp>

using namespace support;

namespace {

using svm::invalidation_cause;
using notifiers = svm::mock::notifiers<lock_policy>;

/// A subscriber that does what a callback must, and counts.
struct subscriber final : svm::invalidation_target {
  notifiers* home = nullptr;
  notifiers::registration registration;
  int calls = 0;
  int finishes = 0;
  bool takes_time = false;
  bool may_wait = true;
  std::function<void()> inside;
  std::function<void()> at_finish;

  [[nodiscard]] svm::invalidation_answer invalidate(svm::invalidation const& event,
                                                    std::uint64_t sequence) noexcept override {
    if (!event.may_block && !may_wait) return svm::invalidation_answer::refused;
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
      std::uint64_t first, std::uint64_t count, std::function<void()> change = [] {}, bool may_block = true) {
    return all.invalidate({span(page_at(first), count * page_bytes), invalidation_cause::clear, svm::nobody, may_block},
                          change);
  }
};

}  // namespace

TEST_SUITE("mock/notifiers") {
  TEST_CASE_FIXTURE(notifier_scene, "each target that an event meets is called once, before the change, and no other") {
    subscribe(a, 0, 4);
    subscribe(b, 4, 4);
    bool changed = false;
    a.inside = [&] { CHECK_FALSE(changed); };
    CHECK(event(3, 1, [&] { changed = true; }));
    CHECK(changed);
    a.inside = nullptr;
    CHECK(a.calls == 1);
    CHECK(b.calls == 0);
    CHECK(event(3, 2));
    CHECK(a.calls == 2);
    CHECK(b.calls == 1);
    all.remove(a.registration);
    all.remove(b.registration);
    CHECK(event(0, 8));
    CHECK(a.calls == 2);
    CHECK(all.registered() == 0);
  }

  TEST_CASE_FIXTURE(notifier_scene, "a reader finds out about an event that came, and about nothing else (NOT-09)") {
    subscribe(a, 0, 4);
    subscribe(b, 4, 4);
    auto const seen_a = all.read_begin(a.registration);
    auto const seen_b = all.read_begin(b.registration);
    CHECK_FALSE(all.read_retry(a.registration, seen_a));
    CHECK(event(0, 1));
    CHECK(all.read_retry(a.registration, seen_a));
    CHECK_FALSE(all.read_retry(b.registration, seen_b));
    CHECK_FALSE(all.read_retry(a.registration, all.read_begin(a.registration)));
    all.remove(a.registration);
    all.remove(b.registration);
  }

  TEST_CASE_FIXTURE(notifier_scene, "an event over nobody delays no registration (NOT-08)") {
    CHECK(event(0, 1, [&] { CHECK(all.registered() == 0); }));
    subscribe(a, 4, 4);
    CHECK(event(0, 1, [&] { CHECK(a.registration.in_index); }));
    CHECK(a.calls == 0);
    all.remove(a.registration);
  }

  TEST_CASE_FIXTURE(notifier_scene, "a registration within an event that has hit somebody waits for its end (NOT-12)") {
    subscribe(a, 0, 4);
    a.inside = [&] { subscribe(b, 0, 4); };
    CHECK(event(0, 1, [&] {
      CHECK_FALSE(b.registration.in_index);
      CHECK_FALSE(all.is_quiet());
    }));
    a.inside = nullptr;
    CHECK(b.calls == 0);
    CHECK(b.registration.in_index);
    auto const seen = all.read_begin(b.registration);  // would wait for ever if the end had not come
    CHECK(event(0, 1));
    CHECK(b.calls == 1);
    CHECK(all.read_retry(b.registration, seen));
    all.remove(a.registration);
    all.remove(b.registration);
  }

  TEST_CASE_FIXTURE(notifier_scene, "one that is removed before it took effect never does") {
    subscribe(a, 0, 4);
    a.inside = [&] {
      subscribe(b, 0, 4);
      all.remove(b.registration);
    };
    CHECK(event(0, 1));
    a.inside = nullptr;
    CHECK(event(0, 1));
    CHECK(b.calls == 0);
    CHECK(all.registered() == 1);
    all.remove(a.registration);
  }

  TEST_CASE_FIXTURE(notifier_scene, "of nested events the last end makes readers go on") {
    subscribe(a, 0, 4);
    subscribe(b, 4, 4);
    a.inside = [&] {
      CHECK(event(4, 1));
      CHECK_FALSE(all.is_quiet());
    };
    CHECK(event(0, 1));
    CHECK(all.is_quiet());
    CHECK(b.calls == 1);
    all.remove(a.registration);
    all.remove(b.registration);
  }

  TEST_CASE_FIXTURE(notifier_scene, "an event that may not wait is refused whole, and changes nothing (NOT-14)") {
    subscribe(a, 0, 4);
    a.may_wait = false;
    auto const seen = all.read_begin(a.registration);
    bool changed = false;
    CHECK_FALSE(event(
        0, 1, [&] { changed = true; }, false));
    CHECK_FALSE(changed);
    CHECK(a.calls == 0);
    CHECK_FALSE(all.read_retry(a.registration, seen));
    CHECK(all.is_quiet());
    CHECK(event(0, 1));
    all.remove(a.registration);
  }

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

  TEST_CASE_FIXTURE(notifier_scene, "who went on working is waited for when a later target refuses, once") {
    subscriber c;
    c.home = &all;
    subscribe(a, 0, 4);
    subscribe(b, 0, 4);
    subscribe(c, 0, 4);
    a.takes_time = c.takes_time = true;
    b.may_wait = false;
    bool changed = false;
    CHECK_FALSE(event(
        0, 1, [&] { changed = true; }, false));
    CHECK_FALSE(changed);
    CHECK(a.finishes == 1);
    CHECK(c.calls == 0);  // not told of what does not happen
    CHECK(c.finishes == 0);
    for (subscriber* const s : {&a, &b, &c}) all.remove(s->registration);
  }

  TEST_CASE_FIXTURE(notifier_scene, "a registration that fails on demand leaves nothing") {
    failures.arm(failure::notifier, 1);
    CHECK(all.insert(a.registration, span(base, page_bytes), a) == errc::registration_failed);
    CHECK(all.registered() == 0);
    CHECK(event(0, 1));
    CHECK(a.calls == 0);
  }
}
