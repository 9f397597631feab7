// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <support/operation_runner.hpp>

#include <cstring>
#include <optional>

namespace support::programs {

using svm::cpu_va;
using svm::errc;
using svm::mock::sys;

namespace {

std::string name_of(sys s) {
  constexpr char const* names[] = {"", "EINVAL", "ENOMEM", "EEXIST", "SIGSEGV", "SIGBUS", "EFAULT", "EAGAIN"};
  return names[static_cast<unsigned>(s)];
}
std::string name_of(errc e) {
  return e == errc::ok ? "success" : std::string(svm::errno_name(e)) + " (" + svm::describe(e).cause + ")";
}
svm::byte_count bytes(std::uint64_t pages) {
  return {pages * model::page_bytes};
}
cpu_va address_of(std::uint64_t n) {
  return {n * model::page_bytes};
}

}  // namespace

runner::runner(setting const& s, limits const& most)
    : setting_(s),
      most_(most),
      machine_(s.options, *machine::check(s.options)),
      tasks_{&machine_.first()},
      suspended_(1, std::vector<bool>(s.options.gpus)),
      unplugged_(s.options.gpus) {
  machine_.stats.listener = [this](svm::event const& e) {
    note(static_cast<std::uint64_t>(e.kind));
    note(e.span.start().value);
    note(e.span.last().value);
    note(e.bytes.value);
    note(static_cast<std::uint64_t>(e.error));
  };
}

void runner::take(operation o) {
  if (!problem_.empty()) return;
  o.process = living_process(o.process % living_);
  if (o.what == kind::map) o.other = ++names_;
  if (o.what == kind::fork) o.other = tasks_.size();
  note(static_cast<std::uint64_t>(o.what));
  note(o.process);
  note(o.first);
  note(o.count);
  static_cast<void>(failure_struck());
  execute(o);
  if (setting_.collects)
    for (std::size_t p = 0; p < tasks_.size(); ++p)
      if (model_.runs(p)) collect(p);
  machine_.check_touched(svm::mock::moment::returned);
  if (++taken_ % most_.look_interval == 0 || !machine_.broken.empty()) look();
}

void runner::finish() {
  if (!problem_.empty()) return;
  look();
  machine_.failures.disarm();
  for (std::size_t p = 0; p < tasks_.size(); ++p)
    if (model_.runs(p))
      model_.for_each_word(p, [&](std::uint64_t a) {
        access({kind::access, p, 0, a / model::page_bytes, 1, 0, 0, 0, 0}, {a}, false);
      });
  while (!pinned_.empty()) unpin();
  look();
  for (std::string const& line : machine_.audit()) fail("audit: " + line);
}

std::size_t runner::living_process(std::size_t n) const {
  std::size_t p = 0;
  for (;; ++p)
    if (model_.runs(p) && n-- == 0) return p;
}

void runner::say(operation const& o, std::string const& outcome) {
  if (tell) tell(text(o) + (outcome.empty() ? "" : " -> " + outcome));
}

void runner::look() {
  machine_.check_quiet();
  for (auto* const from : {&machine_.broken, &svm::mock::lock_report()})
    for (std::string const& line : from->take()) fail("the oracle: " + line);
}

void runner::collect(std::size_t p) {
  for (auto const& v : tasks_[p]->views) v->driver.collect_garbage();
}

void runner::compare(sys got, std::string const& expected, char const* call) {
  note(static_cast<std::uint64_t>(got));
  if (name_of(got) != expected) fail(std::string(call) + " ends with '" + name_of(got) + "', not '" + expected + "'");
}

void runner::execute(operation const& o) {
  cpu_va const a = address_of(o.first);
  switch (o.what) {
    case kind::access:
      say_access(o);
      return access(o, place_of(o), writes(o));
    case kind::sweep:
      say(o);
      for (std::uint64_t n = 0; n < o.count && n < 64; ++n) {
        operation one = o;
        one.first += n;
        one.value += n;
        static_cast<void>(failure_struck());
        access(one, address_of(one.first), writes(o));
      }
      return;
    case kind::atomic:
      return atomic(o);
    case kind::map:
      return map(o);
    case kind::unmap: {
      std::string const expected = model_.unmap(o.process, o.first, o.count);
      say(o, expected);
      return compare(process(o).munmap(a, bytes(o.count)), expected, "munmap");
    }
    case kind::protect: {
      auto const allowed = protection_of(o);
      std::string const expected = model_.protect(o.process, o.first, o.count, static_cast<protection>(allowed));
      say(o, expected);
      return compare(process(o).mprotect(a, bytes(o.count), allowed), expected, "mprotect");
    }
    case kind::dontneed:
    case kind::free:
    case kind::advise:
      return advise(o);
    case kind::remap:
      return remap(o);
    case kind::fork:
      return fork(o);
    case kind::exit:
      return exit(o);
    case kind::prefetch: {
      if (!is_span(o)) return;
      say(o);
      constexpr svm::prefetch_place places[] = {svm::prefetch_place::as_fault, svm::prefetch_place::system,
                                                svm::prefetch_place::device};
      return note(static_cast<std::uint64_t>(driver(o).prefetch(span(o), places[chosen(o, 3)])));
    }
    case kind::evict:
    case kind::evict_all:
      return evict(o);
    default:
      return execute_rare(o);
  }
}

void runner::execute_rare(operation const& o) {
  cpu_va const a = address_of(o.first);
  if (o.what != kind::lock && o.what != kind::unlock) say(o);
  switch (o.what) {
    case kind::fail: {
      unsigned const what = o.choice % failures;
      return machine_.failures.arm(static_cast<svm::mock::failure>(what), 1 + o.choice / failures);
    }
    case kind::tick:
      return machine_.clock.advance(svm::milliseconds(chosen(o, 8)));
    case kind::gc:
      return collect(o.process);
    case kind::reset:
      return reset(o);
    case kind::compact:
      return note(process(o).replace_page(a) ? 1 : 0);
    case kind::swap_out:
      return note(process(o).swap_out(a) ? 1 : 0);
    case kind::split:
      return note(process(o).split_page(a) ? 1 : 0);
    case kind::collapse:
      if (o.first + 1024 > model::end_page) return;
      return note(static_cast<std::uint64_t>(process(o).madvise(a, bytes(1024), svm::mock::advice::collapse)));
    case kind::lock: {
      std::string const expected = model_.lock(o.process, o.first, o.count);
      say(o, expected);
      sys const e = process(o).mlock(a, bytes(o.count));
      if (e == sys::eagain && failure_struck()) return note(static_cast<std::uint64_t>(e));
      return compare(e, expected, "mlock");
    }
    case kind::unlock: {
      std::string const expected = model_.advise(o.process, o.first, o.count, [](std::uint64_t, page const&) {});
      say(o, expected);
      return compare(process(o).munlock(a, bytes(o.count)), expected, "munlock");
    }
    case kind::pin:
      return pin(o);
    case kind::unpin:
      return unpin();
    case kind::reap:
      if (!is_span(o) || !process(o).reap(span(o))) return;
      return static_cast<void>(model_.dontneed(o.process, o.first, o.count));
    case kind::prefer: {
      if (!is_span(o)) return;
      errc const e = driver(o).advise(span(o), attributes_of(o));
      note(static_cast<std::uint64_t>(e));
      return expect(e == errc::ok || failure_struck(), "saying where memory is best fails");
    }
    case kind::suspend:
      return suspend(o, true);
    case kind::resume:
      return suspend(o, false);
    case kind::unplug:
      return unplug(o);
    default:
      return;
  }
}

void runner::map(operation const& o) {
  auto const allowed = protection_of(o);
  auto const what = mapping_of(o);
  std::string const expected =
      model_.map(o.process, o.first, o.count, static_cast<protection>(allowed), static_cast<mapping_kind>(what));
  say(o, expected);
  compare(process(o).mmap(bytes(o.count), allowed, what, address_of(o.first)).error, expected, "mmap");
}

void runner::advise(operation const& o) {
  auto const said = advice_of(o);
  std::string expected;
  if (said == svm::mock::advice::dontneed)
    expected = model_.dontneed(o.process, o.first, o.count);
  else if (said == svm::mock::advice::free)
    expected = model_.free(o.process, o.first, o.count);
  else
    expected = model_.advise(o.process, o.first, o.count, [said](std::uint64_t, page& p) {
      using enum svm::mock::advice;
      if (said == dontfork || said == dofork) p.dont_fork = said == dontfork;
      if (said == wipeonfork || said == keeponfork) p.wipe_on_fork = said == wipeonfork;
    });
  say(o, expected);
  compare(process(o).madvise(address_of(o.first), bytes(o.count), said), expected, "madvise");
}

void runner::remap(operation const& o) {
  bool const keeps = keeps_old(o);
  std::uint64_t const new_count = keeps ? o.count : o.other;
  std::optional<std::uint64_t> const to = moves(o) ? std::optional{o.to} : std::nullopt;
  std::string const expected = model_.remap(o.process, o.first, o.count, new_count, keeps, to);
  say(o, expected);
  auto const got = process(o).mremap(address_of(o.first), bytes(o.count), bytes(new_count), keeps,
                                     to ? std::optional(address_of(*to)) : std::nullopt);
  compare(got.error, expected, "mremap");
}

void runner::fork(operation const& o) {
  if (living_ >= most_.living || tasks_.size() >= most_.born) return;
  say(o);
  auto& child = machine_.fork(*tasks_[o.process]);
  if (child.process.users() == 0) return expect(failure_struck(), "a fork fails");
  ++living_;
  tasks_.push_back(&child);
  suspended_.emplace_back(setting_.options.gpus);
  model_.fork(o.process);
}

void runner::exit(operation const& o) {
  if (o.process == 0) return;
  say(o);
  --living_;
  machine_.exit(*tasks_[o.process]);
  for (auto const& v : tasks_[o.process]->views) v->driver.close();
  model_.exit(o.process);
}

void runner::evict(operation const& o) {
  say(o);
  auto& mover = machine_.gpu_card(gpu_of(o)).mover;
  errc e = errc::ok;
  if (o.what == kind::evict_all) {
    e = mover.evict_all();
  } else {
    auto const entry = process(o).entry_at(address_of(o.first));
    if (entry.what != svm::mock::pte::state::device) return;
    auto const allocation = machine_.allocation_of(entry.target);
    if (allocation && &allocation->owner() == &mover) e = mover.evict(*allocation);
  }
  note(static_cast<std::uint64_t>(e));
  if (e != errc::ok && !failure_struck() && !model_.any_lost()) fail("an eviction ends with " + name_of(e));
}

void runner::pin(operation const& o) {
  constexpr std::size_t most_pins = 16;
  if (pinned_.size() == most_pins) return unpin();
  page const* const at = model_.find(o.process, o.first);
  auto const p = process(o).pin_for_long(address_of(o.first));
  note(static_cast<std::uint64_t>(p.error()));
  if (p) pinned_.emplace_back(&process(o), *p);
  bool const allowed = at != nullptr && at->allowed != protection::none;
  if (!allowed)
    expect(p.error() == errc::no_vma, "what may not be read is pinned");
  else if (at->lost)
    expect(!p, "lost memory is pinned");
}

void runner::unpin() {
  if (pinned_.empty()) return;
  auto const [space, p] = pinned_.front();
  pinned_.erase(pinned_.begin());
  space->unpin(p);
}

template <class Visit>
void runner::for_each_entry(Visit&& visit) {
  for (std::size_t p = 0; p < tasks_.size(); ++p)
    if (model_.runs(p))
      tasks_[p]->process.for_each_entry(
          {cpu_va{}, svm::byte_count{svm::mock::user_end}},
          [&](cpu_va a, svm::mock::pte const& e) { visit(p, a.value / model::page_bytes, e); });
}

/// A reset loses what is in a GPU's memory.
void runner::reset(operation const& o) {
  for_each_entry([&](std::size_t p, std::uint64_t n, svm::mock::pte const& e) {
    if (e.what == svm::mock::pte::state::device && machine_.frames.gpu_of(e.target) == gpu_of(o)) model_.lose(p, n);
  });
  machine_.reset(gpu_of(o));
}

/// Only what could not be brought back is lost.
void runner::unplug(operation const& o) {
  if (unplugged_[gpu_of(o)]) return;
  unplugged_[gpu_of(o)] = true;
  machine_.tear_out(gpu_of(o));
  for_each_entry([&](std::size_t p, std::uint64_t n, svm::mock::pte const& e) {
    if (e.what == svm::mock::pte::state::lost) model_.lose(p, n);
  });
}

void runner::suspend(operation const& o, bool on) {
  suspended_[o.process][gpu_of(o)] = on;
  if (on)
    driver(o).suspend();
  else
    driver(o).resume();
}

void runner::access(operation const& o, cpu_va a, bool write) {
  page const* const at = model_.find(o.process, a.value / model::page_bytes);
  std::uint64_t const known = at == nullptr ? 0 : model_.word(o.process, a.value);
  std::byte word[8] = {};
  if (write) std::memcpy(word, &o.value, sizeof word);
  bool done = false;
  if (o.agent == 0) {
    sys const e = write ? process(o).store(a, word) : process(o).load(a, word);
    note(static_cast<std::uint64_t>(e));
    done = judge_cpu(e, at, write);
  } else {
    auto& task = *tasks_[o.process];
    errc const e = write ? machine_.gpu_store(task, gpu_of(o), a, word) : machine_.gpu_load(task, gpu_of(o), a, word);
    note(static_cast<std::uint64_t>(e));
    done = judge_gpu(o, e, at, a, write);
  }
  if (!done || at == nullptr) return;
  std::uint64_t value = 0;
  std::memcpy(&value, word, sizeof value);
  note(value);
  if (write)
    model_.set_word(o.process, a.value, value);
  else if (value != known)
    fail("a read finds " + svm::mock::hex(value) + ", not " + svm::mock::hex(known));
}

void runner::say_access(operation const& o) {
  if (!tell) return;
  page const* const at = model_.find(o.process, o.first);
  tell(text(o) + (writes(o) || at == nullptr ? "" : " = " + svm::mock::hex(model_.word(o.process, place_of(o).value))));
}

bool runner::judge_cpu(sys got, page const* at, bool write) {
  bool const allowed =
      at != nullptr && (write ? at->allowed == protection::read_write : at->allowed != protection::none);
  sys const expected = !allowed ? sys::sigsegv : at->lost ? sys::sigbus : sys::ok;
  if (got != expected && !(got == sys::sigbus && allowed && failure_struck()))
    fail("a CPU access ends with '" + name_of(got) + "', not '" + name_of(expected) + "'");
  return got == sys::ok;
}

/// How an access ends that may not be.
errc runner::denial(operation const& o, page const* at, cpu_va a, bool write) const {
  auto const& how = setting_.options.driver;
  if (unplugged_[gpu_of(o)]) return errc::device_gone;
  if (write && how.read_only) return errc::read_only;
  if (!setting_.options.window.contains(a)) return errc::outside_window;
  if (at == nullptr) return errc::no_vma;
  if (write && at->allowed != protection::read_write) return errc::read_only;
  if (at->allowed == protection::none) return errc::no_access;
  if (how.migrate == svm::migration_mode::required && at->kind != mapping_kind::anon) return errc::not_migratable;
  if (suspended_[o.process][gpu_of(o)]) return errc::retry;
  return errc::ok;
}

bool runner::judge_gpu(operation const& o, errc got, page const* at, cpu_va a, bool write) {
  auto const& how = setting_.options.driver;
  errc const denied = denial(o, at, a, write);
  bool const limited = how.limits.ranges != UINT64_MAX || how.limits.device_memory.value != UINT64_MAX;
  if (limited && got == errc::quota_exceeded) return false;
  if (denied != errc::ok) {
    // A range that a prefetch to system memory made is found all the same.
    bool const is_known =
        denied == errc::not_migratable && got == (suspended_[o.process][gpu_of(o)] ? errc::retry : errc::ok);
    if (got != denied && !is_known && (got == errc::ok || !failure_struck()))
      fail("a GPU access ends with " + name_of(got) + ", not " + name_of(denied));
  } else if (at->lost) {
    expect(got != errc::ok, "a GPU reads memory that was lost");
  } else if (got != errc::ok && how.migrate != svm::migration_mode::required && !failure_struck()) {
    // A neighbour that is lost keeps the memory around it from moving.
    bool const by_neighbour = (got == errc::lost || got == errc::copy_failed) && model_.any_lost();
    if (!by_neighbour) fail("a GPU access ends with " + name_of(got));
  }
  return got == errc::ok;
}

void runner::atomic(operation const& o) {
  say(o);
  cpu_va const a = place_of(o);
  page const* const at = model_.find(o.process, o.first);
  std::uint64_t old = 0;
  errc const e = machine_.gpu_atomic_add(*tasks_[o.process], gpu_of(o), a, o.value, old);
  note(static_cast<std::uint64_t>(e));
  if (e != errc::ok) return;
  errc const denied = denial(o, at, a, true);
  if (denied != errc::ok || at->kind != mapping_kind::anon || at->lost)
    return fail("an atomic access works where it must not");
  note(old);
  expect(old == model_.word(o.process, a.value), "an atomic access finds another value");
  model_.set_word(o.process, a.value, old + o.value);
}

}  // namespace support::programs
