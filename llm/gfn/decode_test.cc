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

TEST(DecodeSession, ARowThatIsNamedAgainSplits) {
  const auto model = Tiny();
  DecodeSession session(*model, nullptr, kPrompts, {0, 1}, 4);
  session.Logits();
  session.Advance(std::vector<int32_t>{5, 9});
  // Before the token is read, and again after more: copies of copies, in another order.
  session.Keep(std::vector<int64_t>{1, 0, 0});
  session.Advance(std::vector<int32_t>{33, 20, 21});
  session.Logits();
  session.Keep(std::vector<int64_t>{2, 2, 1, 2});
  session.Advance(std::vector<int32_t>{7, 8, 10, 11});
  EXPECT_TRUE(
      session.Hidden().equal(at::cat({LastHidden(*model, {4, 30, 47, 5, 21, 7}), LastHidden(*model, {4, 30, 47, 5, 21, 8}),
                                      LastHidden(*model, {4, 30, 47, 5, 20, 10}), LastHidden(*model, {4, 30, 47, 5, 21, 11})})));
  session.Advance(std::vector<int32_t>{6, 6, 6, 6});
  EXPECT_TRUE(session.Hidden().equal(
      at::cat({LastHidden(*model, {4, 30, 47, 5, 21, 7, 6}), LastHidden(*model, {4, 30, 47, 5, 21, 8, 6}),
               LastHidden(*model, {4, 30, 47, 5, 20, 10, 6}), LastHidden(*model, {4, 30, 47, 5, 21, 11, 6})})));
}

}  // namespace
}  // namespace gfn
