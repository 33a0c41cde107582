#include "llm/scratch/write_hf.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "gflownet/nets/test_gradients.h"
#include "gflownet/tensor/tolerances.h"
#include "llm/format/test_folder.h"
#include "llm/format/weight_source.h"
#include "llm/model/language_model.h"

namespace gfn::scratch {
namespace {

TEST(WriteHfTest, TheFrozenEngineComputesTheSameLogits) {
  using Table = ParametrisationTable;
  for (const Table table : {Table::kStandard, Table::kMupTable3, Table::kMupTable8, Table::kMupTable9}) {
    for (const bool tied : {true, false}) {
      const DecoderConfig config{
          .vocabulary = 11, .width = {16, 8}, .head_size = 4, .feed_forward = {24, 12}, .depth = {2, 1}, .tied = tied};
      ParameterSet set(Parametrisation{table, 1.0});
      const StatusOr<Decoder> decoder = Decoder::Create(
          {.parameters = &set, .name = "lm", .group = "model", .key = {5, RngPurpose::kInit, 0}, .dtype = at::kDouble}, config);
      ASSERT_TRUE(decoder.ok()) << Message(decoder.status());
      Perturb(set, 0.3);
      const std::string folder = TestFolder("decoder");
      const Status written = WriteHfDecoder(folder, set, "lm", config, {.max_positions = 32, .bos_id = 1, .eos_ids = {0}});
      ASSERT_TRUE(written.ok()) << Message(written);
      const auto source = OpenModel(folder);
      ASSERT_TRUE(source.ok()) << Message(source.status());
      EXPECT_EQ((*source)->config().eos_ids, std::vector<int64_t>{0});
      const auto model = LanguageModel::Load(**source, {.dtype = ModelDtype::kFloat64});
      ASSERT_TRUE(model.ok()) << Message(model.status());
      const std::vector<int32_t> tokens = {3, 9, 0, 3, 10, 1};
      Forest forest;
      forest.AddRoot(tokens);
      const at::NoGradGuard no_grad;
      const at::Tensor frozen = (*model)->Logits((*model)->Forward(PackForest(forest), {0, 1, 2, 3, 4, 5}, {}));
      const at::Tensor ids = at::tensor(std::vector<int64_t>(tokens.begin(), tokens.end())).unsqueeze(0);
      const Closeness close = AllClose(frozen, decoder->Logits(decoder->Hidden(ids))[0], ToleranceOf(at::kFloat));
      EXPECT_TRUE(close) << EnumName(table) << " " << tied << " " << close.worst;
    }
  }
}

}  // namespace
}  // namespace gfn::scratch
