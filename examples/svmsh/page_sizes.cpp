// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "page_sizes.hpp"

#include <utility>

namespace svmsh {

made_system system::create(machine_options const& options) {
  return with_page_size(options.page, [&](auto bytes) { return make_system<bytes>(options); });
}

made_replay replay_engine::create(machine_options const& options, replay_options const& replay, complaint complain,
                                  recording record) {
  return with_page_size(options.page,
                        [&](auto bytes) { return make_replay<bytes>(options, replay, std::move(complain), record); });
}

}  // namespace svmsh
