// Properties of configuration over random values and random damage (RapidCheck).
#include <rapidcheck.h>
#include <stdlib.h>

#include <cmath>
#include <functional>

#include "gflownet/base/config_reader.h"
#include "gflownet/base/config_test_structs.h"
#include "gflownet/base/text_util.h"
#include "gtest/gtest.h"

namespace gfn::config_test {
namespace {

// Text of any code points that YAML can carry, control characters and separators often among them.
rc::Gen<std::string> AnyText() {
  static const std::string kSpecial = "\n\t\r \"'\\:#{}[],&*!|>-?%@`~";
  const auto special = rc::gen::map(rc::gen::elementOf(kSpecial), [](char c) { return static_cast<uint32_t>(c); });
  const auto code_point = rc::gen::oneOf(rc::gen::inRange<uint32_t>(1, 0x100), rc::gen::inRange<uint32_t>(1, 0x3000),
                                         rc::gen::inRange<uint32_t>(0xE000, 0x110000), special);
  return rc::gen::map(rc::gen::container<std::vector<uint32_t>>(code_point), [](const std::vector<uint32_t>& points) {
    std::string text;
    for (const uint32_t c : points) {
      if (c < 0x80) {
        text += static_cast<char>(c);
      } else if (c < 0x800) {
        text += {static_cast<char>(0xC0 | (c >> 6)), static_cast<char>(0x80 | (c & 63))};
      } else if (c < 0x10000) {
        text +=
            {static_cast<char>(0xE0 | (c >> 12)), static_cast<char>(0x80 | ((c >> 6) & 63)), static_cast<char>(0x80 | (c & 63))};
      } else {
        text += {static_cast<char>(0xF0 | (c >> 18)), static_cast<char>(0x80 | ((c >> 12) & 63)),
                 static_cast<char>(0x80 | ((c >> 6) & 63)), static_cast<char>(0x80 | (c & 63))};
      }
    }
    return text;
  });
}

double AnyReal() {
  const double value = *rc::gen::arbitrary<double>() * std::pow(10.0, *rc::gen::inRange(-200, 200));
  return std::isfinite(value) ? value : 1.0;
}

double AnyPositive() { return std::abs(AnyReal()) + 1e-300; }

Recipe AnyRecipe() {
  Recipe run;
  run.data = *AnyText();
  run.lr = AnyPositive();
  run.seed = *rc::gen::arbitrary<int64_t>();
  run.schedule = *rc::gen::element(Schedule::kConstant, Schedule::kLinear, Schedule::kCosine);
  run.compat = run.schedule == Schedule::kConstant && *rc::gen::arbitrary<bool>();
  if (*rc::gen::arbitrary<bool>()) run.clip = AnyPositive();
  if (*rc::gen::arbitrary<bool>()) run.note = *AnyText() + "x";
  run.targets.clear();
  for (int i = *rc::gen::inRange(1, 4); i > 0; --i) run.targets.push_back(*AnyText() + "x");
  if (*rc::gen::arbitrary<bool>()) run.eval_lengths = Lengths{*rc::gen::inRange(0, 5), *rc::gen::inRange(5, 9)};
  for (int i = *rc::gen::inRange(0, 3); i > 0; --i) run.stages.push_back({*AnyText(), *rc::gen::positive<int>()});
  if (*rc::gen::arbitrary<bool>()) run.objective = Tb{AnyPositive(), *AnyText()};
  for (int i = *rc::gen::inRange(0, 3); i > 0; --i) run.extra.push_back(Tb{AnyPositive(), *AnyText()});
  return run;
}

// The same cases in every run, unless the environment says otherwise.
void Check(const std::string& description, const std::function<void()>& property) {
  ::setenv("RC_PARAMS", "seed=17 max_success=200", /*overwrite=*/0);
  EXPECT_TRUE(rc::check(description, property)) << description;
}

TEST(ConfigPropertyTest, WrittenConfigsReadBackToTheSameValue) {
  Check("Read(Write(run)) == run", [] {
    const Recipe run = AnyRecipe();
    const std::string text = WriteConfig(run);
    const StatusOr<Recipe> read = ReadConfigText<Recipe>(text, "f");
    if (!read.ok()) RC_FAIL(Message(read.status()) + "\n" + text);
    RC_ASSERT(*read == run);
    RC_ASSERT(DiffConfigs(run, *read).empty());
  });
}

TEST(ConfigPropertyTest, FlatEntriesWorkAsOverrides) {
  Check("every entry of Flatten(run), given as --set, makes run", [] {
    Recipe run = AnyRecipe();
    run.stages.clear();  // an index can only change an item that is there
    run.extra.clear();
    std::vector<std::string> overrides;
    for (const ConfigEntry& entry : FlattenConfig(run)) overrides.push_back(entry.path + "=" + entry.value);
    const StatusOr<Recipe> read = ReadConfigText<Recipe>("", "f", overrides);
    if (!read.ok()) RC_FAIL(Message(read.status()));
    RC_ASSERT(*read == run);
  });
}

TEST(ConfigPropertyTest, DamagedTextsGiveAnAnswer) {
  Check("any damage gives a value or a message with its place", [] {
    std::string text = WriteConfig(AnyRecipe());
    for (int i = *rc::gen::inRange(1, 6); i > 0; --i) {
      const size_t at = static_cast<size_t>(*rc::gen::inRange<int>(0, static_cast<int>(text.size())));
      switch (*rc::gen::inRange(0, 3)) {
        case 0:
          text[at] = *rc::gen::arbitrary<char>();
          break;
        case 1:
          text.erase(at, static_cast<size_t>(*rc::gen::inRange(1, 20)));
          break;
        default:
          text.insert(at, text.substr(static_cast<size_t>(*rc::gen::inRange<int>(0, static_cast<int>(text.size()))), 30));
      }
      if (text.empty()) break;
    }
    const StatusOr<Recipe> read = ReadConfigText<Recipe>(text, "f.yaml");
    if (!read.ok()) {
      RC_ASSERT(read.status().code() == absl::StatusCode::kInvalidArgument);
      RC_ASSERT(Message(read.status()).starts_with("f.yaml:"));
    } else {
      RC_ASSERT(*ReadConfigText<Recipe>(WriteConfig(*read), "f") == *read);
    }
  });
}

}  // namespace
}  // namespace gfn::config_test
