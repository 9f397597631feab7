// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "machine_replay.hpp"
#include "machine_system.hpp"

template svmsh::made_system svmsh::make_system<16384>(machine_options const&);
template svmsh::made_replay svmsh::make_replay<16384>(machine_options const&, replay_options const&,
                                                      replay_engine::complaint, recording);
