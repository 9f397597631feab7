// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
// expect-first-error: svm: device needs `void stop_queues\(\) noexcept` and `void resume_queues\(\) noexcept`, for a queue_driver
// each-with: BY_QUEUE_DRIVER
#include "../static/archetypes.hpp"

struct my_device : archetypes::device {
#ifdef FIXED
  void stop_queues() noexcept;
  void resume_queues() noexcept;
#else

#endif
};
struct my_policies : archetypes::policies {
  using device = my_device;
};

#include "named_policies.hpp"
