// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// The checks of a lock's read domain. Each makes its objects before the domain: one that keeps what it should release ends first.

#include <svm/conformance/impl/joined_thread.hpp>
#include <svm/conformance/impl/lock_promises.hpp>

namespace svm::inline v0::conformance::lock {

/// An object that counts its releases, and looks at what readers wrote.
struct retired_object : retire_hook {
  retired_object() : retire_hook(&retired_object::count) {}

  std::atomic<int> releases{0};
  std::uint64_t const* written = nullptr;  ///< by readers, before they left
  std::uint64_t seen = 0;

 private:
  static void count(retire_hook& hook) noexcept {
    auto& object = static_cast<retired_object&>(hook);
    if (object.written != nullptr) object.seen = *object.written;
    ++object.releases;
  }
};

/// Another thread that is in a section from the constructor until `leave`.
template <class Domain>
class reader_inside {
 public:
  explicit reader_inside(Domain& domain)
      : thread_([this, &domain] {
          read_section const inside{domain};
          entered_ = true;
          while (!leaves_) std::this_thread::yield();
          written = 1;
          left_ = true;
        }) {
    while (!entered_) std::this_thread::yield();
  }
  /// Lets the thread go, and waits until it went.
  void leave() {
    let_go();
    if (thread_.joinable()) thread_.join();
  }
  void let_go() { leaves_ = true; }
  [[nodiscard]] bool is_about_to_leave() const { return left_; }
  ~reader_inside() { leave(); }
  reader_inside(reader_inside const&) = delete;
  reader_inside& operator=(reader_inside const&) = delete;

  std::uint64_t written = 0;

 private:
  std::atomic<bool> entered_{false};
  std::atomic<bool> leaves_{false};
  std::atomic<bool> left_{false};
  std::thread thread_;
};

/// Promises 17, 21, 24 and 25 while nobody reads.
template <svm::lock L>
[[nodiscard]] broken_promises retired_objects_are_released() {
  verdict v{promises};
  std::vector<retired_object> objects(4 * max_idle_retired);
  typename L::read_domain domain;
  v.expect(25, domain.retired() == 0);
  for (retired_object& object : objects) {
    { read_section const inside{domain}; }
    domain.retire(object);
  }
  std::uint64_t released = 0;
  for (retired_object const& object : objects) released += object.releases.load() != 0 ? 1 : 0;
  v.expect(24, domain.retired() <= max_idle_retired);
  v.expect(25, domain.retired() == objects.size() - released);
  domain.synchronize();
  for (retired_object const& object : objects) {
    v.expect(21, object.releases.load() != 0);
    v.expect(17, object.releases.load() <= 1);
  }
  v.expect(25, domain.retired() == 0);
  return v.result();
}

/// Promises 18, 19, 21, 23 and 25: what a reader may look at stays. The thread that retires it does not wait.
template <svm::lock L>
[[nodiscard]] broken_promises readers_hold_objects_back() {
  verdict v{promises};
  std::vector<retired_object> objects(2 * max_idle_retired);
  bool are_held_back = false;
  typename L::read_domain domain;
  {
    reader_inside reader{domain};
    for (retired_object& object : objects) object.written = &reader.written;
    attempt const retire = elsewhere(
        [&] {
          for (retired_object& object : objects) domain.retire(object);
          return true;
        },
        [&] { reader.leave(); });
    v.expect(23, retire == attempt::got);
    if (retire == attempt::got) {
      // Readers that come and go later change nothing.
      { read_section const inside{domain}; }
      std::uint64_t released = 0;
      for (retired_object const& object : objects) released += object.releases.load() != 0 ? 1 : 0;
      are_held_back = v.expect(18, released == 0);
      v.expect(25, domain.retired() == objects.size() - released);
    }
    reader.leave();
    domain.synchronize();
    for (retired_object& object : objects) {
      v.expect(21, object.releases.load() != 0);
      if (are_held_back) v.expect(19, object.releases.load() == 0 || object.seen == 1);
      object.written = nullptr;
    }
  }
  domain.synchronize();
  return v.result();
}

/// Promises 20, 21 and 23: `synchronize` waits for a reader from before, with something retired and with nothing.
template <svm::lock L>
[[nodiscard]] broken_promises synchronize_waits_for_readers() {
  verdict v{promises};
  for (bool const retires : {false, true}) {
    retired_object object;
    typename L::read_domain domain;
    reader_inside reader{domain};
    attempt const retire = elsewhere(
        [&] {
          if (retires) domain.retire(object);
          return true;
        },
        [&] { reader.leave(); });
    v.expect(23, retire == attempt::got);
    if (retire != attempt::got) {
      domain.synchronize();
      continue;
    }
    std::atomic<bool> waits{false};
    std::atomic<bool> returned{false};
    joined_thread const leaves_late{[&] {
      while (!waits) std::this_thread::yield();
      for (int i = 0; i < 100 && !returned; ++i) std::this_thread::yield();
      reader.let_go();
    }};
    waits = true;
    domain.synchronize();
    if (v.expect(20, reader.is_about_to_leave())) v.expect(21, (object.releases.load() != 0) == retires);
    returned = true;
    reader.leave();
    domain.synchronize();
  }
  return v.result();
}

/// Promise 22: `synchronize` comes to its end though there is always somebody in a section.
template <svm::lock L>
[[nodiscard]] broken_promises readers_do_not_starve_synchronize() {
  verdict v{promises};
  retired_object object;
  typename L::read_domain domain;
  std::atomic<bool> stops{false};
  std::atomic<std::uint64_t> entered{0};
  // The two take turns, and nobody leaves before the other one is inside.
  auto const relay = [&](std::uint64_t self) {
    for (std::uint64_t turn = self; !stops; turn += 2) {
      while (entered != turn && !stops) std::this_thread::yield();
      read_section const inside{domain};
      if (!stops) entered = turn + 1;
      while (entered == turn + 1 && !stops) std::this_thread::yield();
    }
  };
  {
    joined_thread const one{relay, 0};
    joined_thread const two{relay, 1};
    while (entered == 0) std::this_thread::yield();
    domain.retire(object);
    attempt const how = elsewhere(
        [&] {
          domain.synchronize();
          return true;
        },
        [&] { stops = true; });
    v.expect(22, how == attempt::got);
    stops = true;
  }
  domain.synchronize();
  return v.result();
}

/// Promises 18 and 21 under load: readers look at objects that are replaced all the time.
template <svm::lock L>
[[nodiscard]] broken_promises readers_see_live_objects() {
  verdict v{promises};
  constexpr std::uint64_t rounds = 1000;
  std::vector<retired_object> objects(rounds + 1);
  typename L::read_domain domain;
  typename L::template atomic<std::uint64_t> current{0};
  std::atomic<int> dead{0};
  auto const read = [&] {
    std::uint64_t at = 0;
    while (at != rounds) {
      read_section const inside{domain};
      at = current.load();
      if (objects[at].releases.load() != 0) ++dead;
    }
  };
  {
    joined_thread const one{read};
    joined_thread const two{read};
    for (std::uint64_t next = 1; next <= rounds; ++next) {
      retired_object& old = objects[current.exchange(next)];
      domain.retire(old);
      if (next % 100 == 0) {
        domain.synchronize();
        v.expect(21, old.releases.load() != 0);
      }
    }
  }
  domain.synchronize();
  v.expect(18, dead.load() == 0);
  return v.result();
}

}  // namespace svm::inline v0::conformance::lock
