// Readiness of a controller, every case.
#include "engine/controller_health.hpp"

#include <gtest/gtest.h>

namespace vibed {
namespace {

using namespace std::chrono_literals;

std::string told(const ControllerView& view) {
  std::string text;
  for (const api::Component& part : controller_components(view, 20s))
    text += (part.ready ? "+" : "-") + part.name + "(" + part.message + ") ";
  return text;
}

TEST(ControllerHealth, WhoWaitsForItsTurnIsReady) {
  EXPECT_EQ(told({}), "+leader(waiting for the lead) ");
  EXPECT_EQ(told({.leader = "other"}), "+leader(other leads) ");
}

TEST(ControllerHealth, WhoWaitsAndCouldNotTakeOverIsNot) {
  EXPECT_EQ(told({.leader = "other", .lease_deaf = 19s, .lease_error = "no route"}),
            "+leader(other leads) ");
  EXPECT_EQ(told({.leader = "other", .lease_deaf = 20s, .lease_error = "no route"}),
            "-leader(the lease is out of reach for 20 s: no route) ");
  EXPECT_EQ(told({.lease_deaf = 60s, .lease_error = "leases are forbidden"}),
            "-leader(the lease is out of reach for 60 s: leases are forbidden) ");
  EXPECT_EQ(told({.leads = true, .lease_deaf = 60s, .acts = true}),
            "+leader(leading) +lifecycle() +records() +claims() ")
      << "while the lease lasts records and claims tell";
}

TEST(ControllerHealth, WhoLeadsAndDoesNotActSaysWhy) {
  EXPECT_EQ(told({.leads = true}), "+leader(leading) -lifecycle(reading what is in the cluster) ");
  EXPECT_EQ(told({.leads = true, .trouble = "no such kind"}),
            "+leader(leading) -lifecycle(no such kind) ");
}

TEST(ControllerHealth, WhoActsIsReadyUntilItHearsNothingForLong) {
  EXPECT_EQ(told({.leads = true, .acts = true, .trouble = "an old one"}),
            "+leader(leading) +lifecycle() +records() +claims() ");
  EXPECT_EQ(told({.leads = true, .acts = true, .records_deaf = 19s, .claims_deaf = 20s}),
            "+leader(leading) +lifecycle() +records() "
            "-claims(nothing heard of the cluster for 20 s) ");
  EXPECT_EQ(told({.leads = true, .acts = true, .records_deaf = 70s}),
            "+leader(leading) +lifecycle() "
            "-records(nothing heard of the cluster for 70 s) +claims() ");
}

}  // namespace
}  // namespace vibed
