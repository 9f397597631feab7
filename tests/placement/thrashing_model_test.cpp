// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include <svm/placement/thrashing.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include "placement/machines.hpp"
#include "placement/masks.hpp"

using namespace svm;
using namespace svm::placement;

namespace {

constexpr long us = 1000;
constexpr long lapse = 128 * us;  // a multiple of 64 ns, so that times of pages are exact
constexpr long start = 1'000'000 * us;
constexpr unsigned the_page = 5;

constexpr thrash_options small{.threshold = 2,
                               .pin_threshold = 2,
                               .lapse = {static_cast<std::uint64_t>(lapse)},
                               .epoch_lapses = 5,
                               .pin_lapses = 3,
                               .max_resets = 1,
                               .adaptive = false};

/// What can happen: somebody gets the page by a fault, loses a right, or asks; time passes; a program moves the page; a pin
/// ends.
struct step {
  enum class what { move, revoke, ask, wait_half, wait_long, user, expire } kind;
  int who = -1;
};

/// One page, its block and its space, written down from the rules with plain numbers. Processors are 0 (the CPU), 1, 2.
struct model {
  bool reaches[3][3];  // [who][whose memory]
  bool fast[3][3];
  int preferred = -1;

  long now = start;
  int place = 0;
  bool history = false;
  long block_last = -1, last_thrash = -1;
  int block_who = -1, resets = 0;
  bool ever_pinned = false;
  long last = -1, throttle_end = 0, deadline = -1;
  int events = 0, throttles = 0;
  unsigned procs = 0, throttled = 0;
  bool revoked = false, pinned = false;
  int pinned_at = -1, exempt = -1;

  static constexpr unsigned bit(int p) { return p < 0 ? 0 : 1u << p; }
  bool all_reach(int whose) const {
    for (int p = 0; p < 3; ++p)
      if ((procs & bit(p)) && !reaches[p][whose]) return false;
    return true;
  }
  bool all_fast(int whose) const {
    for (int p = 0; p < 3; ++p)
      if ((procs & bit(p)) && p != whose && !fast[p][whose]) return false;
    return true;
  }
  /// For three processors: itself, then what it reaches over a fast link, then what it reaches, the CPU last.
  int nearest(unsigned candidates, int q) const {
    if (candidates & bit(q)) return q;
    for (bool const quick : {true, false})
      for (int const p : {1, 2, 0})
        if ((candidates & bit(p)) && reaches[q][p] && (!quick || fast[q][p])) return p;
    for (int const p : {0, 1, 2})
      if (candidates & bit(p)) return p;
    return -1;
  }

  void forget_page() {
    if (throttled) throttled = 0, throttle_end = 0;
    pinned = revoked = false;
    pinned_at = -1;
    deadline = last = -1;
    events = 0;
    procs = 0;
  }

  void record(int who, bool is_revocation) {
    if (!is_revocation && history && pinned) return;
    if (!history) {
      history = block_last >= 0 && block_who != who && now - block_last <= lapse;
      if (history) throttled = 0, throttle_end = 0, throttles = 0, exempt = -1, forget_page();
    }
    if (history) {
      procs |= bit(who);
      long const before = last;
      last = now;
      if (before >= 0 && now - before <= lapse) {
        ++events;
        if (events >= 2) last_thrash = now;
        if (is_revocation) revoked = true;
      } else if (before >= 0 && events >= 2 && !pinned) {
        forget_page();
      }
    }
    block_last = now;
    block_who = who;
  }

  char throttle(int q) {
    if (!(throttled & bit(q))) {
      throttled |= bit(q);
      if (!pinned) ++throttles;
    }
    return 'T';
  }
  char pin(int at) {
    if (!pinned || at != place) {
      if (throttled) throttled = 0, throttle_end = 0;
    }
    if (!pinned) {
      deadline = now + 3 * lapse;
      throttles = 0;
      pinned = ever_pinned = true;
    }
    pinned_at = at;
    return static_cast<char>('0' + at);
  }

  /// '-' for nothing, 'T' for a throttle, or the place of the pin.
  char ask(int q) {
    if (!history) return '-';
    if (last_thrash >= 0 && now - last_thrash > 5 * lapse && !ever_pinned && resets < 1) {
      ++resets;
      history = false;
      block_last = last_thrash = -1;
      block_who = -1;
      return '-';
    }
    if (events < 2) return '-';
    if (throttled & bit(q)) {
      if (now < throttle_end && q != exempt) return throttle(q);
      throttled &= ~bit(q);
      if (!throttled) throttle_end = 0;
    }
    if (now - last > lapse && !pinned) return '-';
    procs |= bit(q);
    if (now > throttle_end) {
      throttle_end = now + lapse;
      exempt = exempt == q ? -1 : q;
    } else if (exempt < 0) {
      exempt = q;
    }
    if (pinned && revoked && q != exempt) return throttle(q);
    if (preferred >= 0 && all_reach(preferred)) return pin(preferred);
    int const copy = place;  // there is one
    if (!(procs & bit(preferred)) && all_fast(copy)) {
      if (copy == 0 && all_reach(q)) return q == 0 ? '-' : pin(q);
      return pin(copy);
    }
    if (q == preferred) {
      if (pinned) return pinned_at == preferred || exempt == preferred ? pin(preferred) : throttle(q);
      if (exempt != preferred) return throttle(q);
      return throttles >= 2 ? pin(preferred) : '-';
    }
    if (pinned) {
      if (q == exempt) {
        if (all_reach(q)) return pin(q);
        unsigned common = 0;
        for (int m = 0; m < 3; ++m)
          if (all_reach(m)) common |= bit(m);
        int const at = nearest(common, q);
        return pin(at < 0 ? q : at);
      }
      return reaches[q][pinned_at] ? pin(pinned_at) : throttle(q);
    }
    if (q != exempt) return throttle(q);
    return throttles >= 2 ? pin(q) : '-';
  }

  /// The answer, if it was a question.
  char apply(step s) {
    switch (s.kind) {
      case step::what::move:
        record(s.who, false);
        place = s.who;
        return 0;
      case step::what::revoke:
        record(s.who, true);
        return 0;
      case step::what::ask: {
        char const answer = ask(s.who);
        if (answer >= '0' && answer <= '2') place = answer - '0';
        return answer;
      }
      case step::what::wait_half:
        now += lapse / 2;
        return 0;
      case step::what::wait_long:
        now += 3 * lapse / 2;
        return 0;
      case step::what::user:
        if (history && events >= 2) forget_page();
        place = 1;
        return 0;
      case step::what::expire:
        if (deadline >= 0 && now + 20 * us >= deadline) forget_page();
        return 0;
    }
    return 0;
  }

  /// The state in words, with times as far back as they matter: two states of one name go on alike.
  std::string name() const {
    auto const ago = [&](long t, long most) { return t < 0 ? -1 : std::min(now - t, most); };
    std::vector<long> said{place, history, resets};
    if (!history) {
      said.insert(said.end(), {ago(block_last, 3 * lapse / 2), block_who});
    } else {
      // What is left of the block is dropped with its history, and that only where this still may happen.
      long const quiet = ever_pinned || resets == 1 ? 0 : ago(last_thrash, 6 * lapse);
      said.insert(said.end(), {quiet, ever_pinned, ago(last, 3 * lapse / 2), std::max(throttle_end - now, -us),
                               deadline < 0 ? -1 : std::max(deadline - now, 0l), std::min(events, 2),
                               std::min(throttles, 2), procs, throttled, revoked, pinned, pinned_at, exempt});
    }
    std::string s;
    for (long const v : said) s += std::to_string(v) + ' ';
    return s;
  }
};

/// Memory for one page of one block, made new each time.
class one_page_memory {
 public:
  thrash_page* take_pages() {
    pages_[the_page] = {};
    return pages_.data();
  }
  void give_pages(thrash_page*) {}
  pinned_page* take_pin() { return &pin_; }
  void give_pin(pinned_page*) {}

 private:
  std::array<thrash_page, 512> pages_;
  pinned_page pin_;
};

processor processor_of(int p) {
  return p < 0 ? nobody : p == 0 ? cpu : gpu(static_cast<unsigned>(p - 1));
}

/// The library, driven as the model is.
struct subject {
  subject(one_page_memory& heap, topology const& links, int wanted)
      : space(heap, links, small), preferred(processor_of(wanted)) {}
  ~subject() { space.drop(block); }

  char apply(step s) {
    processor const who = processor_of(s.who);
    time_point const t{static_cast<std::uint64_t>(now)};
    switch (s.kind) {
      case step::what::move:
        space.record(block, {.pages = {the_page, the_page + 1}, .who = who}, t);
        place = who;
        return 0;
      case step::what::revoke:
        space.record(block, {.pages = {the_page, the_page + 1}, .who = who, .is_revocation = true}, t);
        return 0;
      case step::what::ask: {
        thrash_hint const h =
            space.decide(block, {.page = the_page, .requester = who, .copies = place, .preferred = preferred}, t);
        if (h.what == thrash_hint::kind::none) return '-';
        if (h.what == thrash_hint::kind::throttle) return 'T';
        place = h.at;
        return static_cast<char>('0' + h.at.id);
      }
      case step::what::wait_half:
        now += lapse / 2;
        return 0;
      case step::what::wait_long:
        now += 3 * lapse / 2;
        return 0;
      case step::what::user:
        space.record(block, {.pages = {0, 512}, .who = gpu(0), .cause = migration_cause::explicit_migration}, t);
        place = gpu(0);
        return 0;
      case step::what::expire:
        while (pinned_page* const due = space.due_pin(t)) space.end_pin(*due);
        return 0;
    }
    return 0;
  }

  bool agrees(model const& m) const {
    if ((block.page(the_page) != nullptr) != m.history) return false;
    if (block.resets() != static_cast<unsigned>(m.resets)) return false;
    if (!m.history) return block.thrashing().none() && block.pinned().none();
    thrash_page const& p = *block.page(the_page);
    processor_set procs;
    processor_set throttled;
    for (int q = 0; q < 3; ++q) {
      if ((m.procs & model::bit(q)) != 0) procs |= processor_of(q);
      if ((m.throttled & model::bit(q)) != 0) throttled |= processor_of(q);
    }
    return block.thrashing().test(the_page) == (m.events >= 2) && block.pinned().test(the_page) == m.pinned &&
           p.pinned == m.pinned && p.processors == procs && p.throttled == throttled && p.throttles == m.throttles &&
           p.exempt == processor_of(m.exempt) && (!m.pinned || p.pinned_at == processor_of(m.pinned_at)) &&
           (space.next_pin() != nullptr) == (m.deadline >= 0);
  }

  thrashing<one_page_memory> space;
  thrash_block block;
  processor preferred;
  processor place = cpu;
  long now = start;
};

std::string words(std::vector<step> const& path) {
  static constexpr char const* names[] = {"move", "revoke", "ask", "wait half", "wait long", "user", "expire"};
  std::string s;
  for (step const& each : path)
    s += std::string(names[static_cast<int>(each.kind)]) + (each.who < 0 ? "" : " " + std::to_string(each.who)) + "; ";
  return s;
}

std::vector<step> alphabet(int processors) {
  using enum step::what;
  std::vector<step> all;
  for (int p = 0; p < processors; ++p) all.push_back({move, p});
  for (int p = 0; p < processors; ++p) all.push_back({ask, p});
  for (step::what const w : {wait_half, wait_long, user, expire}) all.push_back({w});
  all.push_back({revoke, 1});
  return all;
}

model model_of(topology const& links, int preferred) {
  model m{};
  for (int who = 0; who < 3; ++who)
    for (int whose = 0; whose < 3; ++whose) {
      m.reaches[who][whose] = links.can_access(processor_of(who)).contains(processor_of(whose));
      m.fast[who][whose] = links.fast_link(processor_of(whose)).contains(processor_of(who)) &&
                           links.native_atomics(processor_of(whose)).contains(processor_of(who));
    }
  m.preferred = preferred;
  return m;
}

/// Visits the states of the model that can be reached, the nearest first and `most` at most, and takes every step from each,
/// in the library as well.
std::size_t explore(topology const& links, int processors, int preferred, std::size_t most) {
  one_page_memory heap;
  std::vector<step> const steps = alphabet(processors);
  struct node {
    model state;
    std::vector<step> path;
  };
  std::deque<node> open{{model_of(links, preferred), {}}};
  std::map<std::string, bool> seen{{open.front().state.name(), true}};
  while (!open.empty() && seen.size() <= most) {
    node const here = open.front();
    open.pop_front();
    for (step const& s : steps) {
      subject library{heap, links, preferred};
      for (step const& before : here.path) static_cast<void>(library.apply(before));
      model after = here.state;
      char const expected = after.apply(s);
      char const answer = library.apply(s);
      if (answer != expected || !library.agrees(after)) {
        std::vector<step> path = here.path;
        path.push_back(s);
        INFO("preferred " << preferred << ": " << words(path));
        REQUIRE(answer == expected);
        REQUIRE(library.agrees(after));
      }
      if (!seen.emplace(after.name(), true).second) continue;
      open.push_back({after, here.path});
      open.back().path.push_back(s);
    }
  }
  return seen.size();
}

}  // namespace

TEST_SUITE("placement/thrashing") {
  TEST_CASE("every state of one page and two processors agrees with a model") {
    constexpr std::size_t most = 100'000;
    auto const all_of = [&](topology const& links, int preferred) {
      std::size_t const states = explore(links, 2, preferred, most);
      CHECK(states > 1000);
      CHECK(states <= most);  // to the end
    };
    all_of(machines::bus(1), -1);
    all_of(machines::bus(1), 1);
    all_of(machines::coherent(1), -1);
  }

  TEST_CASE("the nearest states of one page and three processors agree with a model, on four machines") {
    constexpr std::size_t most = 2'000;
    for (topology const& links :
         {machines::bus(2), machines::peers(2), machines::linked_gpus(2), machines::coherent(2)})
      for (int const preferred : {-1, 0, 1}) CHECK(explore(links, 3, preferred, most) >= most);
  }
}
