// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// The whole library on the mock machine, several processes and GPUs, against what the processes may see. The oracle of
// the machine looks at the rest.

#include "target.hpp"

#include <support/operation_runner.hpp>

#include <array>
#include <cstdint>

namespace fuzz::gpusvm {

namespace {

using namespace support::programs;

constexpr std::uint64_t first_page = (std::uint64_t{4} << 30) / model::page_bytes;
constexpr std::uint64_t initial_first = first_page - 16;  // around a border of every chunk and notifier
constexpr std::uint64_t initial_count = 560;
constexpr std::uint64_t corners[] = {first_page,       first_page + 32,   first_page + 256,  first_page + 512,
                                     first_page + 528, first_page + 1024, first_page + 1536, model::end_page};
constexpr std::size_t most_processes = 6;

setting decode_setting(input& in) {
  constexpr std::array<std::uint64_t, 8> vrams{64 << 10, 256 << 10, 1 << 20, 2 << 20, 4 << 20, 8 << 20, 32 << 20, 4096};
  constexpr std::array<std::uint64_t, 4> notifiers{2 << 20, 4 << 20, 512 << 20, 8 << 20};
  constexpr std::array<svm::migration_mode, 4> modes{svm::migration_mode::where_possible,
                                                     svm::migration_mode::where_possible, svm::migration_mode::never,
                                                     svm::migration_mode::required};
  std::uint8_t const a = in.byte();
  std::uint8_t const b = in.byte();
  std::uint8_t const c = in.byte();
  setting s{{}, (c & 0x80) != 0, (b & 0x30) == 0x10};
  svm::mock::machine_options& o = s.options;
  o.ram = {128 << 20};
  o.vram = {vrams[a & 7]};
  o.notifier_size = {notifiers[a >> 3 & 3]};
  o.gpus = 1 + (a >> 5 & 1);
  o.thp = (a & 0x40) != 0;
  if ((a & 0x80) != 0) o.chunks = {{64 << 10}, {4 << 10}};
  o.driver.migrate = modes[b & 3];
  o.driver.check_pages_threshold = {(b & 4) != 0 ? 64u << 10 : 0u};
  if ((b & 8) != 0) o.driver.timeslice = svm::milliseconds(5);
  o.driver.read_only = (b & 0x30) == 0x30;
  if ((b & 0x40) != 0) o.driver.rest = svm::partial_unmap::split;
  if ((b & 0x80) != 0) o.window = {svm::cpu_va{first_page * model::page_bytes}, svm::byte_count{4 << 20}};
  o.linked = (c & 1) == 0;
  o.late_copies = (c & 2) != 0;
  if ((c & 4) != 0) o.first_dma_address = {1 << 20};
  if ((c & 8) != 0) o.iommu = (c & 0x10) != 0 ? svm::mock::iommu_mode::bounce : svm::mock::iommu_mode::reserved;
  o.driver.mixed = (c & 0x20) != 0;
  o.driver.peers_push = (c & 0x40) != 0;
  return s;
}

constexpr bool takes_value(kind what) {
  using enum kind;
  for (kind const one : {access, atomic, sweep, remap, map_same, truncate, use_buffer, access_buffer, access_attached})
    if (what == one) return true;
  return false;
}
constexpr bool takes_span(kind what) {
  using enum kind;
  for (kind const one : {map, unmap, protect, dontneed, remap, prefetch, advise, sweep, lock, unlock, reap, free,
                         prefer, map_huge, map_io, map_same, punch_hole, swap_out_span, open_buffer})
    if (what == one) return true;
  return false;
}

operation decode(input& in, swarm const& present, unsigned gpus) {
  operation o{};
  o.what = static_cast<kind>(present.draw(in));
  std::uint8_t const b = in.byte();
  o.agent = (b & 15) % (gpus + 1);
  o.process = b >> 4 & 7;
  o.first = in.near(corners, 1);
  o.choice = in.byte();
  if (takes_span(o.what)) o.count = in.count();
  if (o.what == kind::remap) o.other = in.count();
  if (o.what == kind::remap || o.what == kind::map_same)
    o.to = input(bytes(reinterpret_cast<std::byte const*>(&o.choice), 1)).near(corners, 1);
  if (takes_value(o.what)) o.value = in.byte();
  return o;
}

template <class Runner>
void take(Runner& r, operation const& o) {
  r.take(o);
  if (!r.problem().empty()) fail(r.problem());
}

template <class Runner>
void run_on(setting const& s, input& in) {
  swarm const present(in, kinds);
  Runner r(s, {most_processes, most_processes, 8});
  if (telling()) {
    r.tell = tell;
    tell(text(s));
  }
  take(r, {kind::map, 0, 0, initial_first, initial_count, 0, 0, 2, 0});
  while (!in.at_end()) take(r, decode(in, present, s.options.gpus));
  r.finish();
  if (!r.problem().empty()) fail(r.problem());
}

int run(bytes all) {
  input in(all);
  setting const s = decode_setting(in);
  if (s.coherent)
    run_on<coherent_runner>(s, in);
  else
    run_on<runner>(s, in);
  return 0;
}

registration const registered{"gpusvm", run};

}  // namespace

}  // namespace fuzz::gpusvm
