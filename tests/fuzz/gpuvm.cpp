// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// svm::gpuvm and svm::gpuvm_op_list against an array of cells.

#include "gpuvm_model.hpp"
#include "target.hpp"

#include <svm/gpuvm/gpuvm.hpp>
#include <svm/gpuvm/op_list.hpp>
#include <svm/gpuvm/vm_bo.hpp>
#include <svm/std/null_lock.hpp>

#include "support/ledger_allocator.hpp"

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace fuzz::gpuvm {

namespace {

using svm::errc;

struct mapping;
struct object {};
struct types {
  using mapping = gpuvm::mapping;
  using object = gpuvm::object;
  using lock = svm::null_lock;
  using allocator = support::ledger_allocator;
};
struct mapping : svm::gpu_mapping<types> {};

using list = svm::gpuvm_op_list<types>;
using bo = svm::gpuvm_bo<types>;
using library_operation = svm::gpuvm_operation<types>;
using library_extent = svm::gpu_extent<types>;

constexpr std::size_t cells = 512;
constexpr int objects = 3;
object backing[objects];

/// Where the space lies, and which of its cells are reserved.
struct layout {
  std::uint64_t base;
  std::uint64_t cell_size;
  std::size_t reserved_first;
  std::size_t reserved_count;
};
constexpr std::array<layout, 8> layouts{{
    {0, 0x1000, 0, 0},
    {0, 0x1000, 0, 16},
    {1ULL << 40, 0x1000, 256, 1},
    {1ULL << 40, 0x10000, 0, cells},
    {UINT64_MAX - cells + 1, 1, 0, 0},
    {UINT64_MAX - cells * 0x1000 + 1, 0x1000, cells - 16, 16},
    {7, 1, 100, 100},
    {UINT64_MAX - cells * 0x200000 + 1, 0x200000, 256, 64},
}};
constexpr std::uint64_t corners[] = {0, 16, 64, 100, 128, 256, cells - 16, cells};

enum class kind : std::uint8_t {
  map,
  unmap,
  comb,
  prefetch,
  split,
  gem_unmap,
  insert,
  remove,
  two_lists,
  stale,
  any,
  fail,
  reserve
};
constexpr unsigned kinds = 13;
/// What becomes of a request: callbacks, or a list that is applied, applied and reverted, or dropped.
enum class form : std::uint8_t { callbacks, applied, reverted, dropped };

struct operation {
  kind what;
  form how;
  bool in_place;        ///< a mapping that is cut becomes one of its parts
  unsigned refuse_at;   ///< the step, counted from 1, that the driver refuses; 0: none
  std::uint64_t first;  ///< the cell, modulo 2^64
  std::uint64_t count;
  int object;
  std::uint64_t offset;  ///< in cells
  bool sparse;
};

operation decode(input& in, swarm const& present) {
  operation o{};
  o.what = static_cast<kind>(present.draw(in));
  o.first = in.near(corners, 1);
  o.count = in.count();
  std::uint8_t const b = in.byte();
  o.how = static_cast<form>(b & 3);
  o.in_place = (b & 4) != 0;
  o.refuse_at = (b & 8) != 0 ? b >> 6 : 0;
  o.object = b >> 4 & 3;
  o.sparse = o.object == 0 && (b & 0x40) != 0;
  std::uint8_t const place = in.byte();
  o.offset = place < 128 ? o.first : place < 192 ? place - 128u : std::uint64_t{place} - 256;
  if (o.what == kind::any) {
    o.first = in.word();
    o.count = in.word();
    o.offset = in.word();
  }
  return o;
}

struct driver;

/// A space, its model, and the mappings.
class program {
 public:
  explicit program(layout const& where)
      : where_(where),
        space_(svm::gpuvm_layout::make({where.base}, {cells * where.cell_size},
                                       {where.base + where.reserved_first * where.cell_size},
                                       {where.reserved_count * where.cell_size})
                   .value(),
               memory_),
        bos_{bo(space_, backing[0]), bo(space_, backing[1]), bo(space_, backing[2])},
        model_(cells, where.cell_size) {}
  ~program() {
    space_.for_each([this](mapping& m) {
      space_.remove(m);
      release(m);
    });
    expect(live_ == 0, "the driver keeps mappings");
  }
  program(program const&) = delete;
  program& operator=(program const&) = delete;

  void take(operation const& o);
  [[nodiscard]] std::string text(operation const& o) const;

 private:
  friend driver;

  /// The request of an operation in bytes.
  [[nodiscard]] library_extent bytes_of(operation const& o) const {
    bool const any = o.what == kind::any;
    std::uint64_t const unit = any ? 1 : where_.cell_size;
    return {{(any ? 0 : where_.base) + o.first * unit},
            {o.count * unit},
            object_of(o.object),
            o.offset * unit,
            o.sparse ? svm::mapping_flags::sparse : svm::mapping_flags::none};
  }
  /// The same in cells; only for a request that lies in the window, and on the borders of cells.
  [[nodiscard]] extent cells_of(library_extent const& e) const {
    return {static_cast<std::size_t>((e.start.value - where_.base) / where_.cell_size),
            static_cast<std::size_t>(e.size.value / where_.cell_size), number_of(e.object), e.offset,
            static_cast<std::uint32_t>(e.flags)};
  }
  [[nodiscard]] static object* object_of(int number) { return number == 0 ? nullptr : &backing[number - 1]; }
  [[nodiscard]] static int number_of(object const* o) { return o == nullptr ? 0 : static_cast<int>(o - backing) + 1; }

  [[nodiscard]] std::vector<errc> refusals(library_extent const& e, bool reserved_counts, bool offset_counts) const;
  [[nodiscard]] bool refused_well(errc e, std::vector<errc> const& expected) const;
  [[nodiscard]] bool is_whole(library_extent const& e) const {
    return (e.start.value - where_.base) % where_.cell_size == 0 && e.size.value % where_.cell_size == 0 &&
           e.offset % where_.cell_size == 0;
  }

  void request(operation const& o);
  [[nodiscard]] errc plan(operation const& o, list& l);
  [[nodiscard]] std::vector<step> steps_of(operation const& o) const;
  [[nodiscard]] std::vector<errc> refusals_of(operation const& o) const;
  void compare_list(list const& l, std::vector<step> const& steps) const;
  [[nodiscard]] bool same(library_operation const& op, step const& s) const;
  void apply(operation const& o, list& l, std::vector<step> const& steps);
  void comb(operation const& o);
  void insert(operation const& o);
  void two_lists(operation const& o);
  void stale(operation const& o);
  void compare();
  void compare_space();
  void compare_object_unmaps();
  void look_up(library_extent const& around);

  mapping& make() {
    ++live_;
    return *new mapping;
  }
  void link(mapping& m) { bo::link(m, m.object() == nullptr ? nullptr : &bos_[number_of(m.object()) - 1]); }
  void release(mapping& m) {
    bo::unlink(m);
    --live_;
    delete &m;
  }
  [[nodiscard]] bool struck_since(std::uint64_t calls) const {
    return calls < memory_.fail_at && memory_.fail_at <= memory_.calls;
  }

  layout where_;
  support::ledger_allocator memory_;
  svm::gpuvm<types> space_;
  bo bos_[objects];
  model model_;
  std::size_t live_ = 0;
};

/// Takes the steps in either form. In the callback form it compares each of them and takes it at once.
struct driver {
  program& of;
  operation const& how;
  std::vector<step> const& steps;
  bool at_once;
  std::size_t taken = 0;

  errc map(svm::map_operation<types>& o) {
    if (refuses(o)) return errc::device_gone;
    o.mapping = &of.make();
    return errc::ok;
  }
  errc unmap(svm::unmap_operation<types>& o) { return refuses(o) ? errc::device_gone : errc::ok; }
  errc remap(svm::remap_operation<types>& o) {
    if (refuses(o)) return errc::device_gone;
    name_parts(o);
    return errc::ok;
  }
  errc prefetch(svm::prefetch_operation<types>& o) { return refuses(o) ? errc::device_gone : errc::ok; }

  errc map(svm::map_step<types>& s) {
    if (refuses(*s)) return errc::device_gone;
    mapping& m = of.make();
    std::uint64_t const calls = of.memory_.calls;
    expect(of.space_.map(s, m) == errc::ok && of.memory_.calls == calls, "a map step fails or allocates");
    of.link(m);
    of.model_.take(steps[taken - 1]);
    return errc::ok;
  }
  errc unmap(svm::unmap_step<types>& s) {
    if (refuses(*s)) return errc::device_gone;
    of.space_.unmap(s);
    of.release(*s->mapping);
    of.model_.take(steps[taken - 1]);
    return errc::ok;
  }
  errc remap(svm::remap_step<types>& s) {
    if (refuses(*s)) return errc::device_gone;
    svm::remap_operation<types> named = *s;
    name_parts(named);
    std::uint64_t const calls = of.memory_.calls;
    expect(of.space_.remap(s, named.prev, named.next) == errc::ok && of.memory_.calls == calls,
           "a remap step fails or allocates");
    link_parts(named);
    if (named.mapping != named.prev && named.mapping != named.next) of.release(*named.mapping);
    of.model_.take(steps[taken - 1]);
    return errc::ok;
  }

  void undo(library_operation& op) {
    if (auto* const s = op.as_map()) {
      of.release(*std::exchange(s->mapping, nullptr));
    } else if (auto* const r = op.as_remap()) {
      if (r->has_prev() && r->prev != r->mapping) of.release(*r->prev);
      if (r->has_next() && r->next != r->mapping) of.release(*r->next);
    }
  }
  void name_parts(svm::remap_operation<types>& o) {
    if (o.has_prev() && (!how.in_place || o.prev == nullptr)) o.prev = &of.make();
    if (o.has_next() && (!how.in_place || o.next == nullptr)) o.next = &of.make();
  }
  void link_parts(svm::remap_operation<types> const& o) {
    if (o.has_prev() && o.prev != o.mapping) of.link(*o.prev);
    if (o.has_next() && o.next != o.mapping) of.link(*o.next);
  }
  /// After the list was applied.
  void link_made(list& l) {
    for (library_operation& op : l) {
      if (auto* const s = op.as_map()) of.link(*s->mapping);
      if (auto* const s = op.as_remap()) link_parts(*s);
    }
  }
  /// After the list was applied for good.
  void release_old(list& l) {
    for (library_operation& op : l)
      if (mapping* const m = op.released()) of.release(*m);
  }

 private:
  template <class Operation>
  bool refuses(Operation const& o) {
    if (taken + 1 == how.refuse_at) return true;
    expect(taken < steps.size(), "more steps than the model takes");
    if (at_once) expect(of.same(library_operation(o), steps[taken]), "another step than the model's");
    ++taken;
    return false;
  }
};

std::string program::text(operation const& o) const {
  library_extent const e = bytes_of(o);
  std::string const range = hex(e.start.value) + " " + hex(e.size.value);
  std::string const map = "map " + range + " " + std::to_string(o.object) + " " + hex(e.offset);
  constexpr char const* hows[] = {"by callbacks", "by a list", "by a list, reverted", "by a list, dropped"};
  std::string const how = std::string("  # ") + hows[static_cast<unsigned>(o.how)] + (o.in_place ? ", in place" : "") +
                          (o.sparse ? ", sparse" : "") +
                          (o.refuse_at != 0 ? ", refused at step " + std::to_string(o.refuse_at) : "");
  switch (o.what) {
    case kind::map:
    case kind::any:
      return map + how;
    case kind::unmap:
      return "unmap " + range + how;
    case kind::comb:
      return "# every second cell of " + map;
    case kind::prefetch:
      return "prefetch " + range + how;
    case kind::split:
      return "# split " + range + how;
    case kind::gem_unmap:
      return "gem_unmap " + std::to_string(o.object) + how;
    case kind::insert:
      return "# insert " + map;
    case kind::remove:
      return "# remove what is at " + range;
    case kind::two_lists:
      return "# two lists, reverted: " + map + how;
    case kind::stale:
      return "# a list that is late: " + map + how;
    case kind::fail:
      return "# fail an allocation: " + std::to_string(o.count % 8 + 1);
    case kind::reserve:
      return "# reserve for " + std::to_string(o.count);
  }
  return {};
}

void program::take(operation const& o) {
  switch (o.what) {
    case kind::map:
    case kind::unmap:
    case kind::prefetch:
    case kind::split:
    case kind::gem_unmap:
    case kind::any:
      request(o);
      break;
    case kind::comb:
      comb(o);
      break;
    case kind::insert:
      insert(o);
      break;
    case kind::remove:
      if (mapping* const m = space_.find_at(bytes_of(o).start)) {
        model_.take({step::kind::unmap, cells_of(m->extent())});
        space_.remove(*m);
        release(*m);
      }
      break;
    case kind::two_lists:
      two_lists(o);
      break;
    case kind::stale:
      stale(o);
      break;
    case kind::fail:
      memory_.fail_at = memory_.calls + o.count % 8 + 1;
      break;
    case kind::reserve: {
      std::uint64_t const calls = memory_.calls;
      errc const e = space_.reserve(static_cast<std::size_t>(o.count));
      expect(e == errc::ok || (e == errc::no_memory && struck_since(calls)), "reserve() fails");
      break;
    }
  }
  compare();
  look_up(bytes_of(o));
}

/// Why a request must be refused; one of several reasons will do.
std::vector<errc> program::refusals(library_extent const& e, bool reserved_counts, bool offset_counts) const {
  std::vector<errc> found;
  std::uint64_t const last = e.start.value + (e.size.value - 1);
  std::uint64_t const window_last = where_.base + (cells * where_.cell_size - 1);
  if (e.size.value == 0) return {errc::empty_interval};
  if (last < e.start.value) found.push_back(errc::interval_wraps);
  if (e.start.value < where_.base || last < e.start.value || last > window_last) found.push_back(errc::outside_window);
  std::uint64_t const reserved = where_.base + where_.reserved_first * where_.cell_size;
  if (reserved_counts && where_.reserved_count != 0 && last >= reserved &&
      e.start.value <= reserved + (where_.reserved_count * where_.cell_size - 1))
    found.push_back(errc::outside_window);
  if (offset_counts && e.offset + (e.size.value - 1) < e.offset) found.push_back(errc::interval_wraps);
  return found;
}

std::vector<errc> program::refusals_of(operation const& o) const {
  if (o.what == kind::gem_unmap) return {};
  bool const maps = o.what == kind::map || o.what == kind::any;
  return refusals(bytes_of(o), o.what != kind::prefetch, maps);
}

bool program::refused_well(errc e, std::vector<errc> const& expected) const {
  for (errc const one : expected)
    if (e == one) return true;
  return false;
}

std::vector<step> program::steps_of(operation const& o) const {
  if (o.what == kind::gem_unmap) return model_.object_unmap(o.object);
  extent const e = cells_of(bytes_of(o));
  switch (o.what) {
    case kind::unmap:
      return model_.unmap(e.first, e.count);
    case kind::prefetch:
      return model_.prefetch(e.first, e.count);
    case kind::split:
      return model_.split(e.first, e.count);
    default:
      return model_.map(e);
  }
}

errc program::plan(operation const& o, list& l) {
  library_extent const e = bytes_of(o);
  switch (o.what) {
    case kind::unmap:
      return l.plan_unmap(e.start, e.size);
    case kind::prefetch:
      return l.plan_prefetch(e.start, e.size);
    case kind::split:
      return l.plan_split(e.start, e.size);
    case kind::gem_unmap:
      return l.plan_object_unmap(bos_[o.object - 1]);
    default:
      return l.plan_map(e);
  }
}

bool program::same(library_operation const& op, step const& s) const {
  if (auto const* const m = op.as_map()) return s.what == step::kind::map && cells_of(m->extent) == s.of;
  if (auto const* const p = op.as_prefetch())
    return s.what == step::kind::prefetch && cells_of(p->mapping->extent()) == s.of;
  if (auto const* const u = op.as_unmap())
    return s.what == step::kind::unmap && cells_of(u->old) == s.of && u->keep == s.keep;
  auto const* const r = op.as_remap();
  return r != nullptr && s.what == step::kind::remap && cells_of(r->old) == s.of && r->keep == s.keep &&
         r->prev_size.value == s.prev * where_.cell_size && r->next_size.value == s.next * where_.cell_size;
}

void program::compare_list(list const& l, std::vector<step> const& steps) const {
  expect(l.size() == steps.size(), "a list of another length than the model's");
  for (std::size_t i = 0; i < steps.size(); ++i)
    expect(same(*(l.begin() + i), steps[i]), "a list with another step than the model's");
}

void program::request(operation const& o) {
  if (o.what == kind::gem_unmap && o.object == 0) return;
  std::vector<errc> const refused = refusals_of(o);
  if (refused.empty() && !is_whole(bytes_of(o))) return;
  std::vector<step> const steps = refused.empty() ? steps_of(o) : std::vector<step>{};
  std::uint64_t const calls = memory_.calls;
  bool const has_callbacks = o.what == kind::map || o.what == kind::unmap || o.what == kind::any;
  if (o.how == form::callbacks && has_callbacks) {
    driver d{*this, o, steps, true};
    library_extent const e = bytes_of(o);
    svm::sm_result const done = o.what == kind::unmap ? space_.sm_unmap(d, e.start, e.size) : space_.sm_map(d, e);
    errc const got = done.error();
    expect(done.taken() == d.taken && done.put_off() == 0, "a request counts its steps wrongly");
    bool const stopped = o.refuse_at != 0 && o.refuse_at <= steps.size();
    if (!refused.empty())
      expect(refused_well(got, refused), "a wrong request is not refused as it should be");
    else if (got == errc::no_memory)
      expect(struck_since(calls) && d.taken == 0, "a request fails for memory");
    else
      expect(got == (stopped ? errc::device_gone : errc::ok) && d.taken == (stopped ? o.refuse_at - 1 : steps.size()),
             "a request ends otherwise");
    return;
  }
  list l(space_);
  errc const got = plan(o, l);
  if (!refused.empty()) {
    expect(refused_well(got, refused) && l.empty(), "a wrong request is not refused as it should be");
    return;
  }
  if (got != errc::ok) {
    expect(got == errc::no_memory && struck_since(calls) && l.empty(), "planning fails");
    return;
  }
  compare_list(l, steps);
  if (o.how != form::dropped) apply(o, l, steps);
}

void program::apply(operation const& o, list& l, std::vector<step> const& steps) {
  bool const stopped = o.refuse_at != 0 && o.refuse_at <= steps.size();
  std::uint64_t const calls = memory_.calls;
  driver d{*this, o, steps, false};
  errc const got = l.apply(d);
  expect(memory_.calls == calls, "applying a list allocates");
  expect(got == (stopped ? errc::device_gone : errc::ok) && l.is_applied() == !stopped, "applying a list fails");
  if (stopped) return;
  d.link_made(l);
  model const before = model_;
  for (step const& s : steps) model_.take(s);
  if (o.how == form::reverted) {
    compare_space();
    compare_object_unmaps();
    std::uint64_t const later = memory_.calls;
    expect(l.revert(d) == errc::ok && memory_.calls == later && !l.is_applied(), "reverting a list fails or allocates");
    model_ = before;
    expect(l.revert(d) == errc::stale, "a list is reverted twice");
    return;
  }
  expect(l.apply(d) == errc::stale, "a list is applied twice");
  d.release_old(l);
}

/// Also while mappings are linked that are out of the space.
void program::compare_object_unmaps() {
  for (int n = 1; n <= objects; ++n) {
    list l(space_);
    std::uint64_t const calls = memory_.calls;
    errc const e = l.plan_object_unmap(bos_[n - 1]);
    if (e == errc::ok)
      compare_list(l, model_.object_unmap(n));
    else
      expect(struck_since(calls), "planning fails");
  }
}

void program::comb(operation const& o) {
  for (std::uint64_t i = 0; i < o.count; i += 2) {
    operation one = o;
    one.what = kind::map;
    one.how = form::callbacks;
    one.refuse_at = 0;
    one.first = o.first + i;
    one.count = 1;
    request(one);
  }
}

void program::insert(operation const& o) {
  library_extent const e = bytes_of(o);
  std::vector<errc> refused = refusals(e, true, true);
  if (refused.empty() && model_.any(cells_of(e).first, cells_of(e).count)) refused.push_back(errc::exists);
  mapping& m = make();
  m.set_extent(e);
  std::uint64_t const calls = memory_.calls;
  errc const got = space_.insert(m);
  if (got == errc::ok) {
    expect(refused.empty(), "insert() takes what it should refuse");
    model_.take({step::kind::map, cells_of(e)});
    link(m);
    return;
  }
  expect(refused_well(got, refused) || (got == errc::no_memory && struck_since(calls)), "insert() fails");
  release(m);
}

/// Applies two lists and reverts them, the second one first, as it must be.
void program::two_lists(operation const& o) {
  operation first = o;
  first.what = kind::map;
  operation second = o;
  second.what = o.sparse ? kind::unmap : kind::map;
  second.first = o.first + o.count / 2;
  second.object = (o.object + 1) % (objects + 1);
  first.refuse_at = second.refuse_at = 0;
  for (operation const* const each : {&first, &second})
    if (!refusals_of(*each).empty()) return;
  model const before = model_;
  list a(space_);
  if (plan(first, a) != errc::ok) return;
  std::vector<step> const a_steps = steps_of(first);
  driver a_driver{*this, first, a_steps, false};
  expect(a.apply(a_driver) == errc::ok, "applying a list fails");
  a_driver.link_made(a);
  for (step const& s : a_steps) model_.take(s);
  list b(space_);
  bool const planned = plan(second, b) == errc::ok;
  if (planned) {
    std::vector<step> const b_steps = steps_of(second);
    driver b_driver{*this, second, b_steps, false};
    compare_list(b, b_steps);
    expect(b.apply(b_driver) == errc::ok, "applying a list fails");
    b_driver.link_made(b);
    for (step const& s : b_steps) model_.take(s);
    compare_space();
    expect(b.empty() || a.revert(a_driver) == errc::stale, "lists are reverted in the wrong order");
    if (a.is_applied()) expect(b.revert(b_driver) == errc::ok, "reverting a list fails");
  }
  if (a.is_applied()) expect(a.revert(a_driver) == errc::ok, "reverting a list fails");
  model_ = before;
}

/// Plans a list, changes the space, and applies the list too late.
void program::stale(operation const& o) {
  operation late = o;
  late.what = kind::map;
  late.refuse_at = 0;
  if (!refusals_of(late).empty()) return;
  list l(space_);
  if (plan(late, l) != errc::ok) return;
  std::vector<step> const steps = steps_of(late);
  std::vector<extent> const before = model_.all();
  operation between = late;
  between.how = form::applied;
  between.count = 1;
  request(between);
  driver d{*this, late, steps, false};
  if (model_.all() != before) expect(l.apply(d) == errc::stale && d.taken == 0, "a list is applied too late");
}

void program::compare_space() {
  expect(space_.check(), "check() of the space");
  std::vector<extent> const all = model_.all();
  expect(space_.size() == all.size(), "another number of mappings than the model");
  std::size_t i = 0;
  space_.for_each([&](mapping& m) {
    expect(i < all.size() && cells_of(m.extent()) == all[i++], "another mapping than the model");
  });
}

/// Compares everything while no list is left that may be reverted, and so keeps mappings that are out of the space.
void program::compare() {
  compare_space();
  std::vector<extent> const all = model_.all();
  expect(live_ == all.size(), "the driver keeps mappings");
  for (int n = 1; n <= objects; ++n) {
    std::size_t linked = 0;
    std::size_t expected = 0;
    bos_[n - 1].for_each([&](mapping& m) {
      expect(m.is_inserted() && number_of(m.object()) == n, "a list of an object holds a wrong mapping");
      ++linked;
    });
    for (extent const& e : all) expected += e.object == n;
    expect(linked == expected, "a list of an object lacks a mapping");
  }
}

/// Compares what the look-ups say around a range.
void program::look_up(library_extent const& around) {
  if (!refusals(around, false, false).empty() || !is_whole({around.start, around.size})) return;
  extent const e = cells_of(around);
  auto const is = [&](mapping const* m, extent const& expected) {
    return expected.count == 0 ? m == nullptr : m != nullptr && cells_of(m->extent()) == expected;
  };
  auto const at = [&](std::size_t cell) { return model_.mapped(cell) ? model_.around(cell) : extent{}; };
  std::vector<extent> const inside = model_.in(e.first, e.count);
  bool const reserved =
      e.first < where_.reserved_first + where_.reserved_count && where_.reserved_first < e.first + e.count;
  expect(space_.interval_empty(around.range()) == (inside.empty() && !reserved), "interval_empty()");
  extent const here = at(e.first);
  extent const before = e.first == 0 ? extent{} : at(e.first - 1);
  extent const after = at(e.end());
  expect(is(space_.find_at(around.start), here) && is(space_.find_at(around.last()), at(e.end() - 1)), "find_at()");
  expect(is(space_.find_first(around.range()), inside.empty() ? extent{} : inside.front()), "find_first()");
  expect(is(space_.find(around.range()), here.first == e.first && here.count == e.count ? here : extent{}), "find()");
  expect(is(space_.find_prev(around.start), before.end() == e.first ? before : extent{}), "find_prev()");
  std::uint64_t const end = around.start.value + around.size.value;
  expect(end == 0 || is(space_.find_next({end}), after.first == e.end() ? after : extent{}), "find_next()");
  expect(space_.find_prev({0}) == nullptr, "find_prev() of 0");
  std::size_t seen = 0;
  space_.for_each_overlap(around.range(), [&](mapping& m) {
    expect(seen < inside.size() && cells_of(m.extent()) == inside[seen++], "for_each_overlap()");
  });
  expect(seen == inside.size(), "for_each_overlap() ends too early");
}

int run(bytes all) {
  input in(all);
  layout const where = in.one_of(layouts);
  swarm const present(in, kinds);
  program p(where);
  while (!in.at_end()) {
    operation const o = decode(in, present);
    if (telling()) tell(p.text(o));
    p.take(o);
  }
  return 0;
}

registration const registered{"gpuvm", run};

}  // namespace

}  // namespace fuzz::gpuvm
