// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "replay_timeline.hpp"

#include "words.hpp"

#include <algorithm>

namespace svmsh {

namespace {

struct track_text {
  char const* name;
  char const* event;
};

constexpr std::array<track_text, incident_kinds> texts = {{{"GPU faults", "GPU fault"},
                                                           {"to device memory", "migration to device memory"},
                                                           {"CPU faults", "CPU fault"},
                                                           {"to system memory", "migration to system memory"},
                                                           {"evictions", "eviction"}}};

std::string metadata(std::string_view what, std::size_t thread, std::string_view name) {
  return "{\"ph\":\"M\",\"pid\":1,\"tid\":" + std::to_string(thread) + ",\"name\":" + json_text(what) +
         ",\"args\":{\"name\":" + json_text(name) + "}},\n";
}

std::string counter(std::uint64_t at, std::uint64_t ram, std::uint64_t vram) {
  return "{\"ph\":\"C\",\"pid\":1,\"ts\":" + std::to_string(at) +
         ",\"name\":\"bytes in use\",\"args\":{\"system\":" + std::to_string(ram) +
         ",\"device\":" + std::to_string(vram) + "}},\n";
}

}  // namespace

void timeline::add(incident what, std::uint64_t count, std::uint64_t address, std::uint64_t bytes) {
  if (count == 0) return;
  std::vector<event>& track = tracks_[static_cast<std::size_t>(what)];
  std::uint64_t const at = now_ / step_ * step_;
  if (!track.empty() && track.back().at == at) {
    track.back().count += count;
    track.back().bytes += bytes;
    return;
  }
  track.push_back({at, count, address, bytes});
  make_room();
}

void timeline::sample(std::uint64_t ram_used, std::uint64_t vram_used) {
  std::uint64_t const at = now_ / step_ * step_;
  if (!levels_.empty()) {
    level& last = levels_.back();
    if (last.ram == ram_used && last.vram == vram_used) return;
    if (last.at == at) {
      last = {at, ram_used, vram_used};
      return;
    }
  }
  levels_.push_back({at, ram_used, vram_used});
  make_room();
}

std::size_t timeline::events() const {
  std::size_t count = levels_.size();
  for (std::vector<event> const& track : tracks_) count += track.size();
  return count;
}

/// Doubles the step until half of the room is free, so that this is rare.
void timeline::make_room() {
  if (events() <= most_events) return;
  while (events() > most_events / 2) {
    step_ *= 2;
    for (std::vector<event>& track : tracks_) {
      std::size_t kept = 0;
      for (event e : track) {
        e.at = e.at / step_ * step_;
        if (kept != 0 && track[kept - 1].at == e.at) {
          track[kept - 1].count += e.count;
          track[kept - 1].bytes += e.bytes;
        } else {
          track[kept++] = e;
        }
      }
      track.resize(kept);
    }
    std::size_t kept = 0;
    for (level l : levels_) {
      l.at = l.at / step_ * step_;
      kept -= kept != 0 && levels_[kept - 1].at == l.at ? 1 : 0;
      levels_[kept++] = l;
    }
    levels_.resize(kept);
  }
}

std::string timeline::json(std::string_view trace, std::string_view settings) const {
  std::string out = "{\"displayTimeUnit\":\"ms\",\"otherData\":{\"trace\":" + json_text(trace) +
                    ",\"settings\":" + json_text(settings) +
                    ",\"time\":\"1 us is 1 access\",\"step\":" + std::to_string(step_) + "},\n\"traceEvents\":[\n";
  out += metadata("process_name", 0, "replay of " + std::string(trace));
  for (std::size_t kind = 0; kind < incident_kinds; ++kind) {
    std::string const thread = std::to_string(kind + 1);
    out += metadata("thread_name", kind + 1, texts[kind].name);
    for (event const& e : tracks_[kind])
      out += "{\"ph\":\"X\",\"pid\":1,\"tid\":" + thread + ",\"ts\":" + std::to_string(e.at) +
             ",\"dur\":" + std::to_string(step_) + ",\"name\":\"" + texts[kind].event +
             "\",\"args\":{\"count\":" + std::to_string(e.count) + ",\"address\":\"" + hex(e.address) +
             "\",\"bytes\":" + std::to_string(e.bytes) + "}},\n";
  }
  for (level const& l : levels_) out += counter(l.at, l.ram, l.vram);
  level const last = levels_.empty() ? level{} : levels_.back();
  out += counter(std::max(now_, last.at), last.ram, last.vram);
  out.resize(out.size() - 2);  // no comma behind the last one
  return out + "\n]}\n";
}

}  // namespace svmsh
