// What most tests include anyway. No file may rely on it: each includes what it uses.
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "../../lib/cmake/json_instances.hpp"
