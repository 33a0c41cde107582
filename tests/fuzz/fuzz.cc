#include "tests/fuzz/fuzz.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "gflownet/base/file_util.h"
#include "gflownet/base/text_util.h"

// Of the sanitizers' runtime; null in other builds.
extern "C" void __sanitizer_set_death_callback(void (*callback)()) __attribute__((weak));

namespace gfn {
namespace {

struct Current {
  std::string test, path;
  int64_t trial = -1;
};
// What a sanitizer's report ends with. Never destroyed: a report of leaks comes after the static objects are gone.
Current& CurrentMutant() {
  static Current& current = *new Current();
  return current;
}

}  // namespace

std::string Mutate(std::string bytes, const RngKey& key, uint64_t trial) {
  constexpr uint64_t kDrawsOfAChange = 4;
  const uint64_t num_changes = 1 + RandomBits(key, trial, 0) % 4;
  for (uint64_t change = 0; change < num_changes && !bytes.empty(); ++change) {
    const auto draw = [&](uint64_t number) { return RandomBits(key, trial, 1 + kDrawsOfAChange * change + number); };
    const uint64_t where = draw(0), what = draw(1);
    const size_t range = (where >> 63) != 0 ? std::min<size_t>(bytes.size(), 2048) : bytes.size();
    const size_t at = where % range, length = 1 + draw(2) % 16;
    const char value = static_cast<char>(what >> 56);
    switch (what % 9) {
      case 0:
        bytes.erase(at, length);
        break;
      case 1:
        bytes.insert(at, bytes.substr(at, length));
        break;
      case 2:
        bytes.resize(at);
        break;
      case 3:
        bytes[at] = static_cast<char>(bytes[at] ^ (1 << (what >> 32 & 7)));
        break;
      case 4:
        bytes.insert(at, bytes.substr(draw(3) % bytes.size(), 4 * length));
        break;
      case 5:
        std::fill_n(bytes.begin() + static_cast<int64_t>(at), std::min<size_t>(4, bytes.size() - at),
                    value < 0 ? '\xFF' : '\x80');
        break;
      case 6:
        bytes.insert(at, value < 0 ? "\xFF\xFF\xFF\x7F" : std::string(length % 8 + 1, '\0'));
        break;
      default:
        bytes[at] = value;
    }
  }
  return bytes;
}

int64_t NumMutants(int64_t normal) {
  const char* given = std::getenv("GFN_FUZZ_MUTANTS");
  return given == nullptr ? normal : ParseInt(given).value_or(normal);
}

FuzzOutcome Fuzz(const std::string& path, const std::string& content, uint64_t seed, const std::function<Status()>& read) {
  FuzzOutcome outcome;
  EXPECT_TRUE(WriteFileAtomic(path, content).ok());
  const Status good = read();
  EXPECT_TRUE(good.ok()) << good;
  const int64_t num_mutants = NumMutants();
  const testing::TestInfo& info = *testing::UnitTest::GetInstance()->current_test_info();
  CurrentMutant() = {std::string(info.test_suite_name()) + "." + info.name(), path, -1};
  if (__sanitizer_set_death_callback != nullptr) {
    __sanitizer_set_death_callback([] {
      const Current& current = CurrentMutant();
      std::fprintf(stderr, "%s: mutant %lld, left in %s\n", current.test.c_str(), static_cast<long long>(current.trial),
                   current.path.c_str());
    });
  }
  for (int64_t trial = 0; trial < num_mutants; ++trial) {
    EXPECT_TRUE(RemoveAll(path).ok());  // some file systems flush a file that is written over, which takes milliseconds
    std::ofstream(path, std::ios::binary) << Mutate(content, {seed, RngPurpose::kTest, 0}, static_cast<uint64_t>(trial));
    CurrentMutant().trial = trial;
    const Status status = read();
    ++(status.ok() ? outcome.num_read : outcome.num_refused);
    EXPECT_TRUE(status.ok() || Message(status).size() > 10) << "mutant " << trial << ": " << status;
  }
  std::printf("%s %s: %lld mutants, %lld refused, %lld read\n", CurrentMutant().test.c_str(), BaseName(path).c_str(),
              static_cast<long long>(num_mutants), static_cast<long long>(outcome.num_refused),
              static_cast<long long>(outcome.num_read));
  EXPECT_GT(outcome.num_refused, num_mutants / 20);
  return outcome;
}

}  // namespace gfn
