// What a decoding session computes, and when: tokens are read when logits are asked for, by the rows that are live then.
#include <gtest/gtest.h>

#include "llm/generate/decode_session.h"
#include "llm/gfn/test_world.h"

namespace gfn {
namespace {

const std::string kModel = std::string(GFN_SOURCE_DIR) + "/tests/golden/models/tiny_llama";
const std::vector<std::vector<int32_t>> kPrompts = {{4, 30, 47}, {50, 8}};

std::unique_ptr<LanguageModel> Tiny() { return LanguageModel::Load(*OpenModel(kModel).value(), {}).value(); }

at::Tensor LastHidden(const LanguageModel& model, const std::vector<int32_t>& tokens) {
  Forest forest;
  forest.AddRoot(tokens);
  return model.Forward(PackForest(forest), {static_cast<int64_t>(tokens.size()) - 1}, {});
}

TEST(DecodeSession, ReadsTokensOfLiveRowsWhenAsked) {
  const auto model = Tiny();
  for (const bool on_device : {false, true}) {
    DecodeSession session(*model, nullptr, kPrompts, {0, 0, 1}, 3);
    const auto advance = [&](const std::vector<int32_t>& tokens) {
      on_device ? session.Advance(at::tensor(std::vector<int64_t>(tokens.begin(), tokens.end()), at::kLong))
                : session.Advance(tokens);
    };
    EXPECT_EQ(session.num_computed(), 5) << "the prompts, each once";
    EXPECT_EQ(session.Logits().size(0), 3);
    advance({5, 6, 9});
    EXPECT_EQ(session.num_computed(), 5) << "nobody asked yet";
    const std::vector<int64_t> kept = {0, 2};
    session.Keep(kept);
    EXPECT_EQ(session.Logits().size(0), 2);
    EXPECT_EQ(session.num_computed(), 7) << "a row that left is not read";
    EXPECT_TRUE(session.Hidden().equal(at::cat({LastHidden(*model, {4, 30, 47, 5}), LastHidden(*model, {50, 8, 9})})));
    EXPECT_EQ(session.num_computed(), 7) << "nothing is read twice";
    advance({20, 33});  // two tokens without logits between them
    advance({7, 5});
    EXPECT_TRUE(
        session.Hidden().equal(at::cat({LastHidden(*model, {4, 30, 47, 5, 20, 7}), LastHidden(*model, {50, 8, 9, 33, 5})})));
    EXPECT_EQ(session.num_computed(), 11);
  }
}

}  // namespace
}  // namespace gfn
