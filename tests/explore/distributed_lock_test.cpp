// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// The distributed lock on the explorer's atomics: its own steps in every order, all of them sequentially consistent.

#include <svm/std/distributed_lock.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include <doctest/doctest.h>

#include <svm/explore.hpp>

using namespace svm::explore;

namespace {

/// The words of the explorer; to wait for one is to be asleep until it is woken.
struct explored_platform {
  static constexpr unsigned spins = 0;
  static constexpr std::uint32_t reads_for_bias = 1;
  static constexpr std::size_t retires_a_look = 1;
  static constexpr std::size_t shards = 1;
  static constexpr std::size_t max_slots = 2;
  static constexpr std::size_t max_held = 1;

  template <class T>
  class atomic : public lock_policy::atomic<T> {
   public:
    using base = lock_policy::atomic<T>;
    atomic() : atomic(T{}) {}
    explicit atomic(T value) : base(value) { woken.id = new_object(); }
    [[nodiscard]] T load_relaxed() const { return base::load(); }
    [[nodiscard]] T load_acquire() const { return base::load(); }
    void store_release(T value) { base::store(value); }

    event_state woken;
  };

  static void light_fence() {}
  static void heavy_fence() {}
  static void wait(atomic<std::uint32_t>& word, std::uint32_t seen) {
    while (word.load() == seen) {
      // In the step of the look, as a futex has it.
      touch({word.woken.id}, {});
      if (scheduler* const s = scheduler::of_this_thread()) s->await(word.woken, word.woken.notified);
    }
  }
  static void wake_all(atomic<std::uint32_t>& word) {
    point("wake", {}, {word.woken.id});
    ++word.woken.notified;
  }
  static void wake_one(atomic<std::uint32_t>& word) { wake_all(word); }
  static void relax(unsigned) { yield("relax"); }

  using slot_table = svm::reader_slots<explored_platform>;
  using slot = svm::reader_slot<explored_platform>;
  struct process {
    slot_table slots;
    std::array<slot*, 4> of_threads{};  // by context; who has none goes without
  };
  static inline process* of_this_execution = nullptr;
  [[nodiscard]] static slot_table& slots() { return of_this_execution->slots; }
  [[nodiscard]] static slot* this_slot() {
    return of_this_execution->of_threads[scheduler::running() == nullptr ? 0 : scheduler::running()->context()];
  }
};

using lock = svm::basic_distributed_lock<explored_platform>;
static_assert(svm::lock<lock>);

/// What a process has once, made anew for each execution: the first two threads have slots, others have none.
struct world {
  world() {
    explored_platform::of_this_execution = &process;
    process.of_threads[1] = process.slots.take();
    process.of_threads[2] = process.slots.take();
  }
  explored_platform::process process;
};

/// A lock, and who is inside.
struct hall : world {
  svm::word_shared_mutex<explored_platform> door;
  std::uint32_t readers = 0;
  std::uint32_t writers = 0;
  bool is_written = false;

  void read() {
    door.lock_shared();
    ++readers;
    point("reading", {{"hall", 0}}, {});
    --readers;
    door.unlock_shared();
  }
  void try_to_read() {
    if (!door.try_lock_shared()) return;
    ++readers;
    point("reading", {{"hall", 0}}, {});
    --readers;
    door.unlock_shared();
  }
  void write() {
    door.lock();
    write_inside();
  }
  void try_to_write() {
    if (door.try_lock()) write_inside();
  }

 private:
  void write_inside() {
    ++writers;
    is_written = true;
    point("writing", {}, {{"hall", 0}});
    --writers;
    door.unlock();
  }
};

/// Nothing goes wrong in any order, or in a number of random ones where there are too many.
template <class State>
void holds(scenario<State>& s, strategy&& how, search_options const& options = {}) {
  report const r = search(s, how, options);
  CAPTURE(to_string(r));
  CHECK(!r.failed);
  CHECK((r.exhausted || r.complete == options.executions));
}

void excludes(scenario<hall>& s, strategy&& how, search_options const& options = {}) {
  s.after_each_step([](hall& h) {
    if (h.writers > 1 || (h.writers == 1 && h.readers != 0)) fail("two in the hall");
  });
  holds(s, std::move(how), options);
}

/// A domain, and two objects of which readers look at the current one.
struct shelf : world {
  struct object : svm::retire_hook {
    explicit object(std::uint64_t n, bool& note) : retire_hook(&object::note_it), number_(n), note_(note) {}

   private:
    static void note_it(retire_hook& hook) noexcept {
      auto& self = static_cast<object&>(hook);
      point("releasing", {}, {{"object", self.number_}});
      self.note_ = true;
    }
    std::uint64_t number_;
    bool& note_;
  };

  void read() {
    auto const section = domain.enter();
    std::uint32_t const at = current.load();
    point("reading", {{"object", at}}, {});
    if (released[at]) fail("a reader looks at what was released");
    domain.leave(section);
  }
  void replace(std::uint32_t next) {
    std::uint32_t const old = current.exchange(next);
    domain.retire(objects[old]);
    retired.store(next);
  }
  void synchronize() {
    std::uint32_t const before = retired.load();
    domain.synchronize();
    for (std::uint32_t i = 0; i < before; ++i)
      if (!released[i]) fail("an object outlives synchronize");
  }

  lock::read_domain domain;
  lock_policy::atomic<std::uint32_t> current{0};
  lock_policy::atomic<std::uint32_t> retired{0};  // so many, from the first on
  std::array<bool, 3> released{};
  std::array<object, 3> objects{object{0, released[0]}, object{1, released[1]}, object{2, released[2]}};
};

}  // namespace

TEST_SUITE("std/distributed_lock, explored") {
  TEST_CASE("a reader that reads by its slot the second time excludes a writer, in every order") {
    scenario<hall> s{"read twice, write"};
    s.thread("reader").does("count", [](hall& h) { h.read(); }).does("note", [](hall& h) { h.read(); });
    s.thread("writer").does("write", [](hall& h) { h.write(); });
    excludes(s, exhaustive{});
  }

  TEST_CASE("who only tries excludes like who waits, in every order") {
    scenario<hall> s{"read, try to write, try to read"};
    s.thread("reader").does("count", [](hall& h) { h.read(); }).does("note", [](hall& h) { h.try_to_read(); });
    s.thread("writer").does("try", [](hall& h) { h.try_to_write(); });
    excludes(s, exhaustive{});
  }

  TEST_CASE("an attempt to write that fails leaves the readers by slot to be waited for") {
    scenario<hall> s{"read, try to write, write"};
    s.thread("reader").does("count", [](hall& h) { h.read(); }).does("note", [](hall& h) { h.read(); });
    s.thread("writer").does("try", [](hall& h) { h.try_to_write(); }).does("write", [](hall& h) { h.write(); });
    excludes(s, exhaustive{});
  }

  TEST_CASE("readers by slot and by count exclude writers") {
    scenario<hall> s{"three readers and a writer"};
    s.thread("one").does("count", [](hall& h) { h.read(); }).does("note", [](hall& h) { h.read(); });
    s.thread("two").does("note", [](hall& h) { h.read(); }).does("again", [](hall& h) { h.try_to_read(); });
    s.thread("without a slot").does("write", [](hall& h) { h.write(); }).does("count", [](hall& h) { h.read(); });
    excludes(s, pct{3}, {.executions = 3000});
    excludes(s, uniform{}, {.executions = 3000});
  }

  TEST_CASE("two writers beside a reader") {
    scenario<hall> s{"a reader and two writers"};
    s.thread("reader").does("count", [](hall& h) { h.read(); }).does("note", [](hall& h) { h.read(); });
    s.thread("writer").does("write", [](hall& h) { h.write(); });
    s.thread("other").does("write", [](hall& h) { h.write(); });
    excludes(s, pct{3}, {.executions = 3000});
    excludes(s, uniform{}, {.executions = 3000});
  }

  TEST_CASE("no reader comes in before a writer that waits for readers") {
    static bool refused_beside_a_reader;
    refused_beside_a_reader = false;
    scenario<hall> s{"starvation"};
    s.thread("reader").does("read", [](hall& h) { h.read(); });
    s.thread("late").does("try, then wait", [](hall& h) {
      if (h.door.try_lock_shared()) return h.door.unlock_shared();
      // The writer is first: it has the lock, or waits for the reader.
      refused_beside_a_reader = refused_beside_a_reader || h.readers != 0;
      h.door.lock_shared();
      if (!h.is_written) fail("a reader comes before a writer that was first");
      h.door.unlock_shared();
    });
    s.thread("writer").does("write", [](hall& h) { h.write(); });
    holds(s, uniform{}, {.executions = 3000});
    CHECK(refused_beside_a_reader);
  }

  TEST_CASE("a word mutex excludes and wakes who waits, in every order") {
    struct room : world {
      lock::mutex<svm::lock_rank::range> door;
      int inside = 0;
    };
    scenario<room> s{"mutex"};
    for (char const* const name : {"one", "two", "three"})
      s.thread(name).does("enter", [](room& r) {
        svm::exclusive_guard const guard{r.door};
        ++r.inside;
        point("inside", {}, {{"room", 0}});
        if (r.inside != 1) fail("two in the room");
        --r.inside;
      });
    holds(s, bounded{2}, {.executions = 20'000});
    holds(s, uniform{}, {.executions = 3000});
  }

  TEST_CASE("an event wakes all that wait for it, in every order") {
    struct signal : world {
      lock::mutex<svm::lock_rank::leaf_sequence> guard;
      lock::event changed;
      bool ready = false;
    };
    scenario<signal> s{"event"};
    for (char const* const name : {"one", "two"})
      s.thread(name).does("wait", [](signal& e) {
        svm::exclusive_guard const guard{e.guard};
        e.changed.wait(e.guard, [&] { return e.ready; });
        if (!e.ready) fail("woken early");
      });
    s.thread("setter").does("set", [](signal& e) {
      {
        svm::exclusive_guard const guard{e.guard};
        e.ready = true;
      }
      e.changed.notify_all();
    });
    holds(s, bounded{2}, {.executions = 20'000});
    holds(s, uniform{}, {.executions = 3000});
  }

  TEST_CASE("an event is not slept through though what it tells of is changed without the lock") {
    struct signal : world {
      lock::mutex<svm::lock_rank::leaf_sequence> guard;
      lock::event changed;
      lock_policy::atomic<std::uint32_t> ready{0};
    };
    scenario<signal> s{"event without the lock"};
    s.thread("waiter").does("wait", [](signal& e) {
      svm::exclusive_guard const guard{e.guard};
      e.changed.wait(e.guard, [&] { return e.ready.load() != 0; });
    });
    s.thread("setter").does("set", [](signal& e) {
      e.ready.store(1);
      e.changed.notify_all();
    });
    holds(s, exhaustive{});
  }

  TEST_CASE("a reader beside retire and synchronize looks at live objects, in every order") {
    scenario<shelf> s{"read, replace"};
    s.thread("reader").does("read", [](shelf& b) { b.read(); }).does("again", [](shelf& b) { b.read(); });
    s.thread("writer").does("replace", [](shelf& b) { b.replace(1); }).does("close", [](shelf& b) { b.synchronize(); });
    s.at_end([](shelf& b) { b.domain.synchronize(); });
    holds(s, exhaustive{});
  }

  TEST_CASE("readers with a slot and without look at live objects beside two writers") {
    scenario<shelf> s{"readers and writers"};
    s.thread("writer")
        .does("replace", [](shelf& b) { b.replace(1); })
        .does("again", [](shelf& b) { b.replace(2); })
        .does("close", [](shelf& b) { b.synchronize(); });
    s.thread("reader").does("read", [](shelf& b) { b.read(); }).does("again", [](shelf& b) { b.read(); });
    s.thread("without a slot").does("read", [](shelf& b) { b.read(); }).does("again", [](shelf& b) { b.read(); });
    s.thread("closer").does("close", [](shelf& b) { b.synchronize(); });
    s.at_end([](shelf& b) { b.domain.synchronize(); });
    holds(s, pct{3}, {.executions = 3000});
    holds(s, uniform{}, {.executions = 3000});
  }

  TEST_CASE("a slot is taken by one thread, and is seen by who looks at all slots afterwards") {
    struct table : world {
      std::array<explored_platform::slot*, 2> got{};
    };
    scenario<table> s{"slots"};
    for (std::size_t const self : {0U, 1U})
      s.thread(self == 0 ? "one" : "two").does("take", [self](table& t) {
        t.process.of_threads[self + 1]->give_back();
        t.got[self] = t.process.slots.take();
        if (t.got[self] == nullptr) fail("a slot is lost");
        bool seen = false;
        t.process.slots.for_each([&](auto& slot) { seen = seen || &slot == t.got[self]; });
        if (!seen) fail("a slot is not known");
      });
    s.at_end([](table& t) {
      if (t.got[0] == t.got[1]) fail("a slot is taken twice");
      if (t.process.slots.take() != nullptr) fail("there are more slots than there are");
    });
    holds(s, exhaustive{});
  }
}
