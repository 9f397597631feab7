// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <support/operation_runner.hpp>

#include <algorithm>
#include <array>
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
std::uint64_t page_of(cpu_va a) {
  return a.value / model::page_bytes;
}
bool allows(page const& at, bool write) {
  return write ? at.allowed == protection::read_write : at.allowed != protection::none;
}

/// How often an access is repeated that nothing forbids and that fails all the same.
constexpr int repeats = 8;
constexpr std::size_t most_buffers = 6;
constexpr std::size_t most_guests = 6;
constexpr std::uint64_t longest_buffer = 512;

}  // namespace

template <class Machine>
basic_runner<Machine>::basic_runner(setting const& s, runner_limits const& most)
    : setting_(s),
      most_(most),
      machine_(s.options, *Machine::check(s.options)),
      tasks_{&machine_.first()},
      suspended_(1, std::vector<bool>(s.options.gpus)),
      kept_(1, std::vector<std::set<std::uint64_t>>(s.options.gpus)),
      unplugged_(s.options.gpus) {
  machine_.stats.listener = [this](svm::event const& e) {
    if (e.kind == svm::event_kind::copied) return;  // what moved was noted
    note(static_cast<std::uint64_t>(e.kind));
    note(e.span.start().value);
    note(e.span.last().value);
    note(e.bytes.value);
    note(static_cast<std::uint64_t>(e.error));
  };
}

template <class Machine>
basic_runner<Machine>::~basic_runner() = default;

template <class Machine>
void basic_runner<Machine>::take(operation o) {
  if (!problem_.empty()) return;
  o.process = living_process(o.process % living_);
  o = aimed(o);
  if (maps(o.what)) o.other = ++names_;
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
  count_others();
  machine_.check_touched(svm::mock::moment::returned);
  if (++taken_ % most_.look_interval == 0 || !machine_.broken.empty()) look();
}

template <class Machine>
void basic_runner<Machine>::finish() {
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
  buffers_.clear();
  guests_.clear();
  count_others();
  for (std::string const& line : machine_.audit()) fail("audit: " + line);
}

template <class Machine>
std::size_t basic_runner<Machine>::living_process(std::size_t n) const {
  std::size_t p = 0;
  for (;; ++p)
    if (model_.runs(p) && n-- == 0) return p;
}

/// Random pages seldom make a whole huge page, or meet a file: most operations about these are moved there.
template <class Machine>
operation basic_runner<Machine>::aimed(operation o) const {
  if (o.choice % 8 == 0) return o;
  using enum kind;
  page const* const at = model_.find(o.process, o.first);
  bool const fits = o.what == unmap || o.what == protect || o.what == dontneed || o.what == remap || o.what == advise;
  if (o.what == map_huge || (fits && at != nullptr && at->kind == mapping_kind::hugetlb)) {
    constexpr std::uint64_t unit = model::huge_pages;
    for (std::uint64_t* const n : {&o.first, &o.to}) *n = *n / unit * unit;
    for (std::uint64_t* const n : {&o.count, &o.other}) *n = (*n + unit - 1) / unit * unit;
  }
  if (o.what == truncate || o.what == punch_hole) o.first = model_.next_of_file(o.process, o.first);
  if (o.what == map_same) o.to = model_.next_of_file(o.process, o.to);
  return o;
}

template <class Machine>
void basic_runner<Machine>::say(operation const& o, std::string const& outcome) {
  if (tell) tell(text(o) + (outcome.empty() ? "" : " -> " + outcome));
}

template <class Machine>
void basic_runner<Machine>::look() {
  count_others();
  for (auto const& b : buffers_) machine_.check_gpu(b->owner, b->device);
  for (auto const& g : guests_) machine_.check_gpu(g->owner, g->device);
  machine_.check_quiet();
  for (auto* const from : {&machine_.broken, &svm::mock::lock_report()})
    for (std::string const& line : from->take()) fail("the oracle: " + line);
}

template <class Machine>
void basic_runner<Machine>::collect(std::size_t p) {
  for (auto const& v : tasks_[p]->views) v->in_charge().collect_garbage();
}

template <class Machine>
void basic_runner<Machine>::compare(sys got, std::string const& expected, char const* call) {
  note(static_cast<std::uint64_t>(got));
  if (name_of(got) != expected) fail(std::string(call) + " ends with '" + name_of(got) + "', not '" + expected + "'");
}

template <class Machine>
void basic_runner<Machine>::execute(operation const& o) {
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
    case kind::map_huge:
    case kind::map_io:
      return map(o);
    case kind::map_same:
      return map_same(o);
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
    case kind::prefetch:
      return prefetch(o);
    case kind::evict:
    case kind::evict_all:
      return evict(o);
    default:
      return execute_rare(o);
  }
}

template <class Machine>
void basic_runner<Machine>::execute_rare(operation const& o) {
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
      if (e == sys::eagain && may_fail()) return note(static_cast<std::uint64_t>(e));
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
      return model_.reap(o.process, o.first, o.count);
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
      return execute_on_others(o);
  }
}

template <class Machine>
void basic_runner<Machine>::execute_on_others(operation const& o) {
  cpu_va const a = address_of(o.first);
  switch (o.what) {
    case kind::truncate:
      return compare(process(o).truncate(a, end_of(o)), model_.truncate(o.process, o.first, end_of(o)), "truncate");
    case kind::punch_hole:
      return compare(process(o).punch_hole(a, bytes(o.count)), model_.punch_hole(o.process, o.first, o.count),
                     "punch_hole");
    case kind::swap_out_span:
      for (std::uint64_t n = 0; n < o.count && n < model::huge_pages; ++n)
        note(process(o).swap_out(a + bytes(n)) ? 1 : 0);
      return;
    case kind::open_buffer:
      return open_buffer(o);
    case kind::use_buffer:
      return use_buffer(o);
    case kind::access_buffer:
      return access_buffer(o);
    case kind::close_buffer:
      if (!buffers_.empty()) buffers_.erase(buffers_.begin() + chosen(o, static_cast<unsigned>(buffers_.size())));
      return;
    case kind::attach:
      return attach(o);
    case kind::access_attached:
      return access_attached(o);
    case kind::keep:
    case kind::forget:
      return keep(o, o.what == kind::keep);
    case kind::detach:
      if (!guests_.empty()) guests_.erase(guests_.begin() + chosen(o, static_cast<unsigned>(guests_.size())));
      return;
    default:
      return;
  }
}

template <class Machine>
void basic_runner<Machine>::map(operation const& o) {
  auto const allowed = protection_of(o);
  auto const what = mapping_of(o);
  std::string const expected =
      model_.map(o.process, o.first, o.count, static_cast<protection>(allowed), static_cast<mapping_kind>(what));
  say(o, expected);
  compare(process(o).mmap(bytes(o.count), allowed, what, address_of(o.first)).error, expected, "mmap");
}

template <class Machine>
void basic_runner<Machine>::map_same(operation const& o) {
  auto const allowed = protection_of(o);
  std::uint64_t const index = offset_of(o);
  std::string const expected =
      model_.map_same(o.process, o.first, o.count, static_cast<protection>(allowed), o.to, index);
  say(o, expected);
  auto const got =
      process(o).mmap_same(address_of(o.to), index * model::page_bytes, bytes(o.count), allowed, address_of(o.first));
  compare(got.error, expected, "mmap");
}

template <class Machine>
void basic_runner<Machine>::advise(operation const& o) {
  using enum svm::mock::advice;
  auto const said = advice_of(o);
  std::string expected;
  if (said == dontneed)
    expected = model_.dontneed(o.process, o.first, o.count);
  else if (said == svm::mock::advice::free)
    expected = model_.free(o.process, o.first, o.count);
  else if (said == hugepage || said == nohugepage)
    expected = model_.advise(o.process, o.first, o.count, [](std::uint64_t, page const&) {});
  else
    expected = model_.advise_fork(o.process, o.first, o.count, [said](std::uint64_t, page& p) {
      if (said == dontfork || said == dofork) p.dont_fork = said == dontfork;
      if (said == wipeonfork || said == keeponfork) p.wipe_on_fork = said == wipeonfork;
    });
  say(o, expected);
  compare(process(o).madvise(address_of(o.first), bytes(o.count), said), expected, "madvise");
}

template <class Machine>
void basic_runner<Machine>::remap(operation const& o) {
  bool const keeps = keeps_old(o);
  std::uint64_t const new_count = keeps ? o.count : o.other;
  std::optional<std::uint64_t> const to = moves(o) ? std::optional{o.to} : std::nullopt;
  std::string const expected = model_.remap(o.process, o.first, o.count, new_count, keeps, to);
  say(o, expected);
  auto const got = process(o).mremap(address_of(o.first), bytes(o.count), bytes(new_count), keeps,
                                     to ? std::optional(address_of(*to)) : std::nullopt);
  compare(got.error, expected, "mremap");
}

template <class Machine>
void basic_runner<Machine>::fork(operation const& o) {
  if (living_ >= most_.living || tasks_.size() >= most_.born) return;
  say(o);
  auto& child = machine_.fork(*tasks_[o.process]);
  if (child.process.users() == 0) return expect(may_fail(), "a fork fails");
  ++living_;
  tasks_.push_back(&child);
  suspended_.emplace_back(setting_.options.gpus);
  kept_.emplace_back(setting_.options.gpus);
  model_.fork(o.process);
}

template <class Machine>
void basic_runner<Machine>::exit(operation const& o) {
  if (o.process == 0) return;
  say(o);
  --living_;
  machine_.exit(*tasks_[o.process]);
  for (auto const& v : tasks_[o.process]->views) v->in_charge().close();
  model_.exit(o.process);
}

template <class Machine>
void basic_runner<Machine>::evict(operation const& o) {
  say(o);
  auto& mover = machine_.gpu_card(gpu_of(o)).mover;
  errc e = errc::ok;
  if (o.what == kind::evict_all) {
    e = mover.evict_all();
  } else {
    auto const entry = process(o).entry_at(address_of(o.first));
    if (!entry.has_page() || !machine_.frames.is_device(entry.target)) return;
    auto const allocation = machine_.allocation_of(entry.target);
    if (allocation && &allocation->owner() == &mover) e = mover.evict(*allocation);
  }
  note(static_cast<std::uint64_t>(e));
  if (e != errc::ok && !may_fail() && !model_.any_lost()) fail("an eviction ends with " + name_of(e));
}

template <class Machine>
void basic_runner<Machine>::pin(operation const& o) {
  constexpr std::size_t most_pins = 16;
  if (pinned_.size() == most_pins) return unpin();
  page const* const at = model_.find(o.process, o.first);
  auto const p = process(o).pin_for_long(address_of(o.first));
  note(static_cast<std::uint64_t>(p.error()));
  if (p) pinned_.emplace_back(&process(o), *p);
  if (at == nullptr || at->allowed == protection::none)
    return expect(p.error() == errc::no_vma, "what may not be read is pinned");
  if (at->kind == mapping_kind::io || !model_.is_there(*at))
    return expect(p.error() == errc::no_access, "memory that is not there is pinned");
  if (!p && !may_fail()) fail("a pin ends with " + name_of(p.error()));
}

template <class Machine>
void basic_runner<Machine>::unpin() {
  if (pinned_.empty()) return;
  auto const [space, p] = pinned_.front();
  pinned_.erase(pinned_.begin());
  space->unpin(p);
}

template <class Machine>
template <class Visit>
void basic_runner<Machine>::for_each_entry(Visit&& visit) {
  for (std::size_t p = 0; p < tasks_.size(); ++p)
    if (model_.runs(p))
      tasks_[p]->process.for_each_entry(
          {cpu_va{}, svm::byte_count{svm::mock::user_end}},
          [&](cpu_va a, svm::mock::pte const& e) { visit(p, a.value / model::page_bytes, e); });
}

/// A reset loses what is in a GPU's memory.
template <class Machine>
void basic_runner<Machine>::reset(operation const& o) {
  drop_others_of(gpu_of(o));
  for_each_entry([&](std::size_t p, std::uint64_t n, svm::mock::pte const& e) {
    if (e.has_page() && machine_.frames.is_device(e.target) && machine_.frames.gpu_of(e.target) == gpu_of(o))
      model_.lose(p, n);
  });
  machine_.reset(gpu_of(o));
}

/// Only what could not be brought back is lost, for want of memory or since a copy failed.
template <class Machine>
void basic_runner<Machine>::unplug(operation const& o) {
  if (unplugged_[gpu_of(o)]) return;
  unplugged_[gpu_of(o)] = true;
  drop_others_of(gpu_of(o));
  bool const may_lose = model_.any_lost();
  machine_.tear_out(gpu_of(o));
  for_each_entry([&](std::size_t p, std::uint64_t n, svm::mock::pte const& e) {
    if (e.what == svm::mock::pte::state::lost) model_.lose(p, n);
  });
  if (!may_lose && !may_fail()) expect(!model_.any_lost(), "an unplug loses what could be saved");
}

template <class Machine>
void basic_runner<Machine>::prefetch(operation const& o) {
  if (!is_span(o)) return;
  say(o);
  constexpr svm::prefetch_place places[] = {svm::prefetch_place::as_fault, svm::prefetch_place::system,
                                            svm::prefetch_place::device};
  svm::prefetch_place const where = places[chosen(o, 3)];
  auto& queues = view_of(o).queues;
  errc const e = queues ? queues->prefetch(span(o), where) : driver(o).prefetch(span(o), where);
  note(static_cast<std::uint64_t>(e));
  if (!queues || e != errc::ok) return;
  for (std::uint64_t n = 0; n < o.count; ++n) kept_[o.process][gpu_of(o)].insert(o.first + n);
}

/// Says what queues will reach, or will not any more.
template <class Machine>
void basic_runner<Machine>::keep(operation const& o, bool on) {
  auto& queues = view_of(o).queues;
  if (!on && view_of(o).blocks && chosen(o, 2) != 0 && is_span(o)) return discard(o);
  if (auto& blocks = view_of(o).blocks; blocks && !queues && is_span(o)) {  // a span is read in copies, or not any more
    say(o);
    errc const e = blocks->set_read_duplicated(span(o), on);
    note(static_cast<std::uint64_t>(e));
    expect(e == errc::ok || failure_struck(), "saying that copies are read fails");
  }
  if (!queues || !is_span(o)) return;
  say(o);
  errc const e = on ? queues->keep(span(o)) : queues->forget(span(o));
  note(static_cast<std::uint64_t>(e));
  bool const is_inside = setting_.options.window.contains(span(o));
  expect(e == errc::ok || unplugged_[gpu_of(o)] || may_fail() || (on && !is_inside), "a span cannot be kept");
  if (e != errc::ok) return;
  auto& kept = kept_[o.process][gpu_of(o)];
  for (std::uint64_t n = o.first; n < o.first + o.count; ++n)
    on ? static_cast<void>(kept.insert(n)) : static_cast<void>(kept.erase(n));
}

/// Discards memory around the first page from the operation's on that the GPU has, and writes to that page every other time.
template <class Machine>
void basic_runner<Machine>::discard(operation o) {
  say(o);
  std::optional<std::uint64_t> first;
  for_each_entry([&](std::size_t p, std::uint64_t n, svm::mock::pte const& e) {
    bool const is_here = e.what == svm::mock::pte::state::device && machine_.frames.gpu_of(e.target) == gpu_of(o);
    if (!first && p == o.process && n >= o.first && is_here) first = n;
  });
  if (!first) return;
  constexpr std::uint64_t group = 16;
  o.agent = gpu_of(o) + 1;
  o.first = *first / group * group;
  o.count = 4 * group;
  model_.discard(o.process, o.first, o.count);
  errc const e = view_of(o).blocks->discard(span(o));
  note(static_cast<std::uint64_t>(e));
  expect(e == (setting_.coherent ? errc::unsupported : errc::ok) || failure_struck(), "a discard fails");
  o.first = *first;
  o.count = 1;
  if (o.value % 2 != 0) access(o, place_of(o), true);
}

template <class Machine>
void basic_runner<Machine>::suspend(operation const& o, bool on) {
  suspended_[o.process][gpu_of(o)] = on;
  if (on)
    driver(o).suspend();
  else
    driver(o).resume();
}

template <class Machine>
void basic_runner<Machine>::access(operation const& o, cpu_va a, bool write) {
  page const* const at = model_.find(o.process, page_of(a));
  std::uint64_t const known = at == nullptr ? 0 : model_.word(o.process, a.value);
  std::array<std::byte, 8> word{};
  if (write) std::memcpy(word.data(), &o.value, sizeof word);
  if (o.agent == 0) {
    sys const e = write ? process(o).store(a, word) : process(o).load(a, word);
    note(static_cast<std::uint64_t>(e));
    if (!judge_cpu(e, at, write)) return;
    if (write) show_write(o.process, a, nullptr);
  } else {
    task& t = *tasks_[o.process];
    auto const once = [&] {
      return write ? machine_.gpu_store(t, gpu_of(o), a, word) : machine_.gpu_load(t, gpu_of(o), a, word);
    };
    if (!try_on_gpu(o, a, write ? svm::access_kind::write : svm::access_kind::read, once)) return;
    if (write) show_write(o.process, a, &t.views[gpu_of(o)]->device);
  }
  if (at != nullptr) compare_word(o.process, a, write, word, known);
}

/// What an access that worked has moved.
template <class Machine>
void basic_runner<Machine>::compare_word(std::size_t p, cpu_va a, bool write, std::span<std::byte const, 8> word,
                                         std::uint64_t known) {
  std::uint64_t value = 0;
  std::memcpy(&value, word.data(), sizeof value);
  note(value);
  if (write)
    model_.set_word(p, a.value, value);
  else if (!model_.may_be(p, a.value, value))
    fail("a read at " + svm::mock::hex(a.value) + " finds " + svm::mock::hex(value) + ", not " + svm::mock::hex(known));
}

template <class Machine>
void basic_runner<Machine>::say_access(operation const& o) {
  if (!tell) return;
  page const* const at = model_.find(o.process, o.first);
  tell(text(o) + (writes(o) || at == nullptr ? "" : " = " + svm::mock::hex(model_.word(o.process, place_of(o).value))));
}

template <class Machine>
bool basic_runner<Machine>::judge_cpu(sys got, page const* at, bool write) {
  bool const allowed = at != nullptr && allows(*at, write);
  sys const expected = !allowed ? sys::sigsegv : model_.is_there(*at) ? sys::ok : sys::sigbus;
  if (got != expected && !(got == sys::sigbus && allowed && may_fail()))
    fail("a CPU access ends with '" + name_of(got) + "', not '" + name_of(expected) + "'");
  return got == sys::ok;
}

/// How an access ends that may not be.
template <class Machine>
errc basic_runner<Machine>::denial(operation const& o, page const* at, cpu_va a, svm::access_kind want) const {
  auto const& how = setting_.options.driver;
  bool const write = want != svm::access_kind::read;
  if (unplugged_[gpu_of(o)]) return errc::device_gone;
  if (write && how.read_only) return errc::read_only;
  if (!setting_.options.window.contains(a)) return errc::outside_window;
  svm::span_attributes const said = driver(o).attributes_at(a);
  if (want == svm::access_kind::atomic && said.atomic == svm::atomic_mode::cpu) return errc::no_atomics;
  if (at == nullptr) return errc::no_vma;
  if (write && at->allowed != protection::read_write) return errc::read_only;
  if (at->allowed == protection::none) return errc::no_access;
  bool const may_move = at->kind == mapping_kind::anon;
  if (want == svm::access_kind::atomic && (!may_move || how.migrate == svm::migration_mode::never))
    return errc::no_atomics;
  bool const required = how.migrate == svm::migration_mode::required && said.preferred != svm::preferred_place::system;
  if (required && !may_move) return errc::not_migratable;
  if (suspended_[o.process][gpu_of(o)]) return errc::retry;
  if (at->kind == mapping_kind::io || model_.is_beyond_end(*at)) return errc::no_access;
  return errc::ok;
}

/// True for an access that system memory does not serve.
template <class Machine>
bool basic_runner<Machine>::needs_device(operation const& o, cpu_va a, svm::access_kind want) const {
  if (want == svm::access_kind::atomic) return true;
  return setting_.options.driver.migrate == svm::migration_mode::required &&
         driver(o).attributes_at(a).preferred != svm::preferred_place::system;
}

/// True when somebody keeps a page of the 2 MiB around an address where it is.
template <class Machine>
bool basic_runner<Machine>::is_pinned_near(std::size_t p, cpu_va a) {
  bool pinned = false;
  tasks_[p]->process.for_each_entry(svm::aligned_block(a, bytes(model::huge_pages)),
                                    [&](cpu_va, svm::mock::pte const& e) {
                                      pinned = pinned || (e.has_page() && machine_.frames.head(e.target).pins != 0);
                                    });
  return pinned;
}

/// True when an access that nothing forbids cannot be served for as long as the memory is as it is.
template <class Machine>
bool basic_runner<Machine>::has_reason(operation const& o, errc got, page const& at, cpu_va a, svm::access_kind want) {
  auto const& how = setting_.options;
  // A neighbour that is not there keeps a range from being mapped, and one that is lost the memory around it from moving.
  bool const near_end = model_.any_near(o.process, page_of(a), [&](page const& p) { return model_.is_beyond_end(p); });
  if (got == errc::no_access && near_end) return true;
  if ((got == errc::lost || got == errc::copy_failed) && model_.any_lost()) return true;
  if (!needs_device(o, a, want)) return false;
  if (model_.any_near(o.process, page_of(a), [](page const& p) { return p.lost; })) return true;
  // No range is smaller than the memory that it needs, and what cannot be evicted takes its place.
  if (got == errc::no_device_memory && (how.vram < how.chunks.front() || model_.any_lost())) return true;
  bool const is_elsewhere = got == errc::not_in_device_memory || got == errc::mixed_placement;
  bool const is_held = got == errc::in_use || got == errc::busy;
  if ((is_held || is_elsewhere) && is_pinned_near(o.process, a)) return true;
  if (!is_elsewhere) return false;
  // What the program wants to stay elsewhere, or a reader shares with another process, is not in this device's memory.
  bool const stays =
      want != svm::access_kind::atomic && driver(o).attributes_at(a).policy == svm::migration_policy::system_pages_only;
  bool const is_only_read = at.allowed == protection::read || how.driver.read_only;
  return stays || (is_only_read && tasks_.size() > 1);
}

/// Executes an access once, and again when it fails without a reason: that cannot last while nothing else is under way.
template <class Machine>
template <class Once>
bool basic_runner<Machine>::try_on_gpu(operation const& o, cpu_va a, svm::access_kind want, Once&& once) {
  page const* const at = model_.find(o.process, page_of(a));
  bool const is_allowed = denial(o, at, a, want) == errc::ok && model_.is_there(*at);
  for (int n = 1;; ++n) {
    errc const got = once();
    note(static_cast<std::uint64_t>(got));
    bool const excused = may_fail();
    bool const may_change = is_allowed && got != errc::ok && !excused && !has_reason(o, got, *at, a, want);
    if (!may_change || n == repeats) return judge_gpu(o, got, excused, a, want);
  }
}

/// A queue reaches what is mapped, and what is kept is; it waits for nobody, so an access that fails is over.
template <class Machine>
bool basic_runner<Machine>::judge_queue(operation const& o, errc got, bool excused, cpu_va a, svm::access_kind want) {
  auto const& how = setting_.options.driver;
  page const* const at = model_.find(o.process, page_of(a));
  errc const denied = denial(o, at, a, want);
  // A mapping that a prefetch to system memory made serves all the same.
  bool const may_work = denied == errc::ok ? !at->lost : denied == errc::not_migratable;
  expect(got != errc::ok || may_work, "a queue reaches what it must not");
  bool const limited = how.limits.ranges != UINT64_MAX || how.limits.device_memory.value != UINT64_MAX;
  bool const is_kept = kept_[o.process][gpu_of(o)].count(page_of(a)) != 0;
  // A neighbour that is lost keeps the range around it from being mapped.
  bool const any_lost = model_.any_near(o.process, page_of(a), [](page const& p) { return p.lost; });
  // Atomic accesses need device memory, which a restore does not demand.
  bool const must_work = is_kept && denied == errc::ok && want != svm::access_kind::atomic && model_.is_there(*at) &&
                         !any_lost && how.migrate != svm::migration_mode::required && !excused &&
                         !(limited && got == errc::quota_exceeded);
  if (got != errc::ok && must_work && !has_reason(o, got, *at, a, want))
    fail("a queue's access to what is kept ends with " + name_of(got));
  return got == errc::ok;
}

template <class Machine>
bool basic_runner<Machine>::judge_gpu(operation const& o, errc got, bool excused, cpu_va a, svm::access_kind want) {
  if (setting_.options.faults == svm::mock::page_faults::fatal) return judge_queue(o, got, excused, a, want);
  auto const& how = setting_.options.driver;
  page const* const at = model_.find(o.process, page_of(a));
  errc const denied = denial(o, at, a, want);
  bool const limited = how.limits.ranges != UINT64_MAX || how.limits.device_memory.value != UINT64_MAX;
  if (limited && got == errc::quota_exceeded) return false;
  if (denied != errc::ok) {
    // A mapping that a prefetch to system memory made serves all the same.
    bool const is_known = denied == errc::not_migratable && got == errc::ok;
    if (got != denied && !is_known && (got == errc::ok || !excused))
      fail("a GPU access ends with " + name_of(got) + ", not " + name_of(denied));
  } else if (at->lost) {
    expect(got != errc::ok, "a GPU reaches memory that was lost");
  } else if (got != errc::ok && !excused && !has_reason(o, got, *at, a, want)) {
    fail("a GPU access ends with " + name_of(got));
  }
  return got == errc::ok;
}

template <class Machine>
void basic_runner<Machine>::atomic(operation const& o) {
  say(o);
  cpu_va const a = place_of(o);
  std::uint64_t old = 0;
  auto const once = [&] { return machine_.gpu_atomic_add(*tasks_[o.process], gpu_of(o), a, o.value, old); };
  if (!try_on_gpu(o, a, svm::access_kind::atomic, once) || model_.find(o.process, o.first) == nullptr) return;
  note(old);
  expect(model_.may_be(o.process, a.value, old), "an atomic access finds another value");
  model_.set_word(o.process, a.value, old + o.value);
}

// Mappings beside those of the drivers.

template <class Machine>
void basic_runner<Machine>::open_buffer(operation const& o) {
  if (buffers_.size() == most_buffers || unplugged_[gpu_of(o)] || !is_span(o)) return;
  operation const part = [&] {
    operation p = o;
    p.count = std::min(p.count, longest_buffer);
    return p;
  }();
  auto made = std::make_unique<buffer>(machine_, *tasks_[o.process], gpu_of(o), o.process, span(part));
  errc const e = made->memory.open();
  note(static_cast<std::uint64_t>(e));
  expect(e == errc::ok || may_fail(), "a buffer cannot be opened");
  if (e == errc::ok) buffers_.push_back(std::move(made));
}

/// The first reason why a device may not have a span.
template <class Machine>
errc basic_runner<Machine>::first_refusal(std::size_t p, svm::va_range whole, bool write) const {
  if (!model_.runs(p)) return errc::mm_gone;
  for (std::uint64_t n = page_of(whole.start()); n <= page_of(whole.last()); ++n) {
    page const* const at = model_.find(p, n);
    if (at == nullptr) return errc::no_vma;
    if (at->allowed == protection::none || at->kind == mapping_kind::io) return errc::no_access;
    if (!allows(*at, write)) return errc::read_only;
    if (model_.is_beyond_end(*at)) return errc::no_access;
    if (at->lost) return errc::lost;
  }
  return errc::ok;
}

template <class Machine>
void basic_runner<Machine>::judge_pages(errc got, errc expected, char const* what) {
  note(static_cast<std::uint64_t>(got));
  if (got == expected || (got != errc::ok && may_fail())) return;
  if ((got == errc::lost || got == errc::copy_failed) && model_.any_lost()) return;
  fail(std::string(what) + " ends with " + name_of(got) + ", not " + name_of(expected));
}

/// Maps the pages of a buffer; memory in several places is brought to one first.
template <class Machine>
errc basic_runner<Machine>::get_buffer(buffer& b, bool write, bool leaves_device_pages) {
  svm::va_range const whole = b.memory.interval();
  svm::page_options const wanted{.read_only = !write, .owner = leaves_device_pages ? nullptr : &svm::nobody};
  errc e = b.memory.get_pages(wanted);
  if (e == errc::mixed_placement || e == errc::unsupported) {
    static_cast<void>(machine_.gpu_card(b.gpu).mover.evict_span(b.owner.process, whole));
    e = b.memory.get_pages(wanted);
  }
  judge_pages(e, first_refusal(b.process, whole, write), "getting the pages of a buffer");
  if (e != errc::ok) return e;
  e = b.memory.bind();
  expect(e == errc::ok || may_fail(), "a buffer cannot be bound");
  return e;
}

template <class Machine>
void basic_runner<Machine>::use_buffer(operation const& o) {
  if (buffers_.empty()) return;
  static_cast<void>(
      get_buffer(*buffers_[chosen(o, static_cast<unsigned>(buffers_.size()))], writes(o), o.value % 2 == 0));
}

template <class Machine>
void basic_runner<Machine>::access_buffer(operation const& o) {
  if (buffers_.empty()) return;
  buffer& b = *buffers_[chosen(o, static_cast<unsigned>(buffers_.size()))];
  access_through(o, b.process, b.device, b.memory.interval(),
                 [&] { return get_buffer(b, writes(o), o.value % 2 == 0); });
}

/// Accesses one page of a span through a page table that has it already, or after `retry`.
template <class Machine>
template <class Retry>
void basic_runner<Machine>::access_through(operation const& o, std::size_t p, gpu_type& device, svm::va_range whole,
                                           Retry&& retry) {
  std::uint64_t const pages = whole.size().value / model::page_bytes;
  cpu_va const a = whole.start() + bytes(o.first % pages);
  std::array<std::byte, 8> word{};
  if (writes(o)) std::memcpy(word.data(), &o.value, sizeof word);
  auto const move = [&] { return writes(o) ? device.store(a, word) : device.load(a, word); };
  bool done = move();
  if (!done && retry() == errc::ok) {
    done = move();
    expect(done, "pages that are bound serve no access");
  }
  if (!done) return;
  page const* const at = model_.runs(p) ? model_.find(p, page_of(a)) : nullptr;
  if (at == nullptr || !allows(*at, writes(o)) || !model_.is_there(*at))
    return fail("a device reaches what its process does not");
  std::uint64_t const known = model_.word(p, a.value);
  if (writes(o)) show_write(p, a, &device);
  compare_word(p, a, writes(o), word, known);
}

template <class Machine>
void basic_runner<Machine>::attach(operation const& o) {
  std::size_t const gpu = (gpu_of(o) + 1 + chosen(o, 2)) % setting_.options.gpus;
  if (guests_.size() == most_guests || unplugged_[gpu] || unplugged_[gpu_of(o)]) return;
  auto range = driver(o).svm().find(address_of(o.first));
  if (!range) return;
  auto made = std::make_unique<guest>(machine_, *tasks_[o.process], gpu, o.process, gpu_of(o), std::move(range));
  errc const e = [&] {
    auto held = made->svm().lock_range(made->range);
    return made->svm().attach(held, made->mapping);
  }();
  note(static_cast<std::uint64_t>(e));
  expect(e == errc::ok, "a mapping cannot be attached to a range that is there");
  guests_.push_back(std::move(made));
}

/// Maps the pages of a range for one more device.
template <class Machine>
errc basic_runner<Machine>::get_attached(guest& g, bool write, bool mixed) {
  auto held = g.svm().lock_range(g.range);
  bool const was_removed = held->has(svm::range_flag::removed) || held->has(svm::range_flag::unmapped);
  errc e = errc::ok;
  for (int pass = 0; pass < 3; ++pass) {
    e = g.svm().get_pages(held, g.mapping, {.read_only = !write, .allow_mixed = mixed});
    if (e != errc::mixed_placement && e != errc::unsupported) break;
    static_cast<void>(g.driver().evict(held));
  }
  if (was_removed) {
    expect(e != errc::ok, "a range that was unmapped has pages");
    return e;
  }
  judge_pages(e, first_refusal(g.process, g.range->interval(), write), "getting the pages of a guest");
  if (e != errc::ok) return e;
  e = g.svm().bind(held, g.mapping);
  expect(e == errc::ok || may_fail(), "the mapping of a guest cannot be bound");
  return e;
}

template <class Machine>
void basic_runner<Machine>::access_attached(operation const& o) {
  if (guests_.empty()) return;
  guest& g = *guests_[chosen(o, static_cast<unsigned>(guests_.size()))];
  access_through(o, g.process, g.device, g.range->interval(),
                 [&] { return get_attached(g, writes(o), o.value % 2 == 0); });
}

template <class Machine>
void basic_runner<Machine>::drop_others_of(std::size_t gpu) {
  std::erase_if(buffers_, [gpu](auto const& b) { return b->gpu == gpu; });
  std::erase_if(guests_, [gpu](auto const& g) { return g->gpu == gpu; });
}

/// Tells the oracle what there is beside the drivers' own.
template <class Machine>
void basic_runner<Machine>::count_others() {
  for (std::size_t n = 0; n < machine_.gpus(); ++n)
    machine_.gpu_card(n).other_dma_blocks = machine_.gpu_card(n).other_peer_blocks = 0;
  for (task* const t : tasks_) t->other_notifiers = 0;
  machine_.has_other_mappings = !buffers_.empty() || !guests_.empty();
  machine_.has_users = machine_.has_other_mappings;
  auto const count = [this](auto& user, pages_type const& mapping) {
    auto& card = machine_.gpu_card(user.gpu);
    for (svm::device_address const& block : mapping.blocks_locked()) {
      card.other_dma_blocks += block.path == svm::interconnect::system ? 1 : 0;
      card.other_peer_blocks += block.path == svm::interconnect::peer ? 1 : 0;
    }
  };
  for (auto const& b : buffers_) {
    count(*b, b->memory.mapping());
    ++b->owner.other_notifiers;
  }
  for (auto const& g : guests_) count(*g, g->mapping);
}

// Bounce pages.

template <class Machine>
void basic_runner<Machine>::add_view(std::vector<dma_view>& out, pages_type const& mapping, std::size_t gpu, bool wrote,
                                     svm::va_range whole, cpu_va a) {
  if (!whole.contains(a)) return;
  std::uint64_t index = page_of(a) - page_of(whole.start());
  for (svm::device_address const& block : mapping.blocks_locked()) {
    std::uint64_t const pages = block.count;
    if (index < pages) {
      if (block.path == svm::interconnect::system)
        out.push_back({gpu, wrote, block.address + bytes(index), block.direction});
      return;
    }
    index -= pages;
  }
}

template <class Machine>
void basic_runner<Machine>::add_page_view(std::vector<dma_view>& out,
                                          svm::partial_mapping<policies_type> const& mapping, std::size_t gpu,
                                          bool wrote, cpu_va a) {
  unsigned const page = mapping.pages_of({a.align_down(bytes(1)), bytes(1)}).next(0);
  if (!mapping.mapped().test(page)) return;
  svm::device_address const& block = mapping.address_of(page);
  if (block.path == svm::interconnect::system) out.push_back({gpu, wrote, block.address, block.direction});
}

/// Behind bounce pages one side sees what the other wrote after a sync: the programs here do one after every write.
///
/// \param writer  the page table through which a GPU wrote, or null for the CPU
template <class Machine>
void basic_runner<Machine>::show_write(std::size_t p, cpu_va a, gpu_type const* writer) {
  if (setting_.options.iommu != svm::mock::iommu_mode::bounce) return;
  auto& frames = machine_.frames;
  auto const sites = [&] {
    svm::mock::pte const e = tasks_[p]->process.entry_at(a);
    svm::exclusive_guard const guard{frames.lock()};
    return e.has_page() ? frames.of(e.target).mappings
                        : svm::mock::plain_list<typename Machine::address_space_type::site>{};
  }();
  std::vector<dma_view> views;
  for (auto const& where : sites) {
    bool const is_here = &tasks_[p]->process == where.space && page_of(where.at) == page_of(a);
    auto const wrote = [&](gpu_type const& device) { return is_here && &device == writer; };
    for (task* const t : tasks_)
      if (&t->process == where.space)
        for (std::size_t n = 0; n < t->views.size(); ++n)
          if (auto const range = t->views[n]->in_charge().svm().find(where.at)) {
            bool const writes = wrote(t->views[n]->device);
            add_view(views, range->mapping(), n, writes, range->interval(), where.at);
            if (range->partial() != nullptr) add_page_view(views, *range->partial(), n, writes, where.at);
          }
    for (auto const& b : buffers_)
      if (&b->owner.process == where.space)
        add_view(views, b->memory.mapping(), b->gpu, wrote(b->device), b->memory.interval(), where.at);
    for (auto const& g : guests_)
      if (&g->owner.process == where.space)
        add_view(views, g->mapping, g->gpu, wrote(g->device), g->range->interval(), where.at);
  }
  for (bool const wrote : {true, false})
    for (dma_view const& v : views) {
      auto& dma = machine_.gpu_card(v.gpu).dma;
      if (v.wrote == wrote)
        wrote ? dma.sync_for_system(v.address, {1}, v.direction) : dma.sync_for_device(v.address, {1}, v.direction);
    }
}

}  // namespace support::programs

template class support::programs::basic_runner<support::machine>;
template class svm::mock::machine<support::lock_policy, 4096, true, svm::mock::drivers::all>;
template class support::programs::basic_runner<support::coherent_machine>;
