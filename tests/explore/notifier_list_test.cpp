// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// The notifier list of port/ by itself, in every order of the steps of a few threads.

#include <cstdint>

#include <doctest/doctest.h>

#include <svm/explore.hpp>
#include <svm/port/notifier_list.hpp>

namespace explore = svm::explore;
using svm::invalidation;
using svm::invalidation_answer;

namespace {

using list = svm::port::notifier_list<explore::lock_policy>;

constexpr svm::va_range first_page{{0}, {1}};
constexpr svm::va_range both_pages{{0}, {2}};

struct process;

/// A device that maps the page, and forgets it when it is told.
struct device final : svm::invalidation_target {
  process* home = nullptr;
  list::registration registration;
  explore::lock_policy::mutex<svm::lock_rank::notifier> lock;
  bool maps = false;
  std::uint32_t page = 0;  // that it maps
  bool registered = false;
  int pending = 0;

  [[nodiscard]] invalidation_answer invalidate(invalidation const&, std::uint64_t sequence) noexcept override;
  void finish_invalidation(invalidation const&) noexcept override { --pending; }
  void subscribe(svm::va_range span);
  void leave();
  /// Maps the page as it is now, unless an event comes in between.
  void map();
};

struct process {
  list notifiers;
  explore::lock_policy::atomic<std::uint32_t> page{1};  // each event replaces it
  device one, two;

  process() {
    one.home = two.home = this;
    one.subscribe(both_pages);
    two.subscribe(first_page);
  }
  ~process() {
    if (one.registered) one.leave();
    if (two.registered) two.leave();
  }
  void replace_page() {
    bool const done = notifiers.invalidate({first_page, svm::invalidation_cause::clear}, [this] {
      if (one.pending < 0 || two.pending < 0) explore::fail("a target is waited for that was not pending");
      page.fetch_add(1);
    });
    if (!done) explore::fail("an event that may block is refused");
  }
};

invalidation_answer device::invalidate(invalidation const&, std::uint64_t sequence) noexcept {
  if (!registered) explore::fail("a callback runs after its registration was removed");
  svm::exclusive_guard const guard{lock};
  home->notifiers.set_sequence(registration, sequence);
  maps = false;
  ++pending;
  return invalidation_answer::pending;
}
void device::subscribe(svm::va_range span) {
  registered = true;
  home->notifiers.insert(registration, span, *this);
}
void device::leave() {
  home->notifiers.remove(registration);
  registered = false;
}
void device::map() {
  std::uint64_t const seen = home->notifiers.read_begin(registration);
  std::uint32_t const found = home->page.load();
  svm::exclusive_guard const guard{lock};
  if (home->notifiers.read_retry(registration, seen)) return;
  maps = true;
  page = found;
}

void check(process& p) {
  for (device const* const d : {&p.one, &p.two}) {
    if (d->maps && d->page != p.page.load()) explore::fail("a device maps a page that was replaced");
    if (d->pending != 0) explore::fail("a target is not waited for as often as it was told");
  }
  if (!p.notifiers.is_quiet() || !p.notifiers.check()) explore::fail("the list is not as it was");
}

void holds_in_every_order(explore::scenario<process>& s) {
  s.at_end(check);
  explore::report const r = search(s, explore::exhaustive{});
  CAPTURE(to_string(r));
  CHECK_FALSE(r.failed);
  CHECK(r.exhausted);
}

}  // namespace

TEST_SUITE("port/notifier_list, explored") {
  TEST_CASE("a device maps no page that two events at a time replaced (O-23, O-24)") {
    explore::scenario<process> s{"two events and a reader"};
    s.thread("event").does("replace", [](process& p) { p.replace_page(); });
    s.thread("other").does("replace", [](process& p) { p.replace_page(); });
    s.thread("reader").does("map", [](process& p) { p.one.map(); });
    holds_in_every_order(s);
  }
  TEST_CASE(
      "no callback runs after a removal, and one that came back within an event is told of the next (O-25, O-26)") {
    explore::scenario<process> s{"event and removal"};
    s.thread("event").does("replace", [](process& p) { p.replace_page(); });
    s.thread("mover")
        .does("leave", [](process& p) { p.two.leave(); })
        .does("subscribe", [](process& p) { p.two.subscribe(first_page); })
        .does("map", [](process& p) { p.two.map(); });
    s.thread("late").does("replace", [](process& p) { p.replace_page(); });
    holds_in_every_order(s);
  }
}
