#include "llm/format/weight_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <functional>
#include <limits>

#include "gflownet/base/file_util.h"
#include "gflownet/tensor/safetensors_tensors.h"
#include "llm/format/gguf_builder.h"
#include "llm/format/test_folder.h"
#include "llm/format/test_weights.h"

namespace gfn {
namespace {

using testing::HasSubstr;

const std::string kFormat = GFN_SOURCE_DIR "/tests/golden/format/";

TEST(WeightSource, ReadsHuggingFaceFoldersAsTheyAre) {
  for (const char* name : {"tiny_llama", "tiny_qwen2", "tiny_gpt2", "tiny_gptj"}) {
    const auto source = Open(kModels + name);
    ASSERT_NE(source, nullptr);
    EXPECT_EQ(source->format(), "huggingface");
    const auto stored = ReadTensors(kModels + name + "/model.safetensors");
    ASSERT_TRUE(stored.ok());
    EXPECT_EQ(source->names().size(), stored->size()) << name;
    for (const NamedTensor& tensor : *stored) {
      const auto found = source->Read(tensor.name, at::kDouble);
      ASSERT_TRUE(found.ok()) << Message(found.status());
      EXPECT_TRUE(at::equal(*found, tensor.tensor.to(at::kDouble))) << tensor.name;
    }
  }
}

TEST(WeightSource, ReadsShards) {
  const std::string folder = kModels + "tiny_llama_sharded/";
  const auto source = Open(folder);
  ASSERT_NE(source, nullptr);
  EXPECT_EQ(source->stored_type(), "BF16");
  size_t num_tensors = 0;
  for (const char* shard : {"1", "2", "3"}) {
    const auto stored = ReadTensors(folder + "model-0000" + shard + "-of-00003.safetensors");
    ASSERT_TRUE(stored.ok());
    for (const NamedTensor& tensor : *stored) {
      const auto found = source->Read(tensor.name, at::kBFloat16);
      ASSERT_TRUE(found.ok()) << Message(found.status());
      EXPECT_TRUE(at::equal(*found, tensor.tensor)) << tensor.name;
    }
    num_tensors += stored->size();
  }
  EXPECT_EQ(source->names().size(), num_tensors);
}

// The files hold q and k permuted (llama) and Conv1D transposed (gpt2); what is read is the Hugging Face folder.
TEST(WeightSource, ReadsGgufInHuggingFaceLayout) {
  for (const char* name :
       {"tiny_llama_sharded", "tiny_qwen2", "tiny_gpt2", "tiny_llama_biases", "tiny_llama3", "tiny_qwen2_yarn"}) {
    const auto gguf = Open(kFormat + name + ".gguf");
    const auto hf = Open(kModels + name);
    ASSERT_TRUE(gguf != nullptr && hf != nullptr);
    EXPECT_EQ(gguf->format(), "gguf");
    EXPECT_EQ(gguf->names(), hf->names());
    for (const std::string& tensor : hf->names())
      EXPECT_TRUE(at::equal(Read(*gguf, tensor), Read(*hf, tensor))) << name << " " << tensor;
  }
}

// A llama2.c file with numbers that say where they were: row of q or k = its index in the file.
TEST(WeightSource, TurnsLlama2cRowsForRotateHalfRope) {
  // dim 4, hidden 1, 1 layer, 1 head of 4, vocabulary 2 (head of its own), 1 position
  const std::array<int32_t, 7> header = {4, 1, 1, 1, 1, -2, 1};
  std::string bytes(reinterpret_cast<const char*>(header.data()), sizeof(header));
  float next = 0;
  const auto append = [&](int count) {
    for (int i = 0; i < count; ++i) GgufBuilder::Append(bytes, next++);
  };
  append(8 + 4);  // embedding, norm
  const float first_of_q = next;
  append(3 * 16 + 16 + 4 + 3 * 4 + 4 + 4);  // q, k, v, o, norm, mlp, norm, rope tables
  const float first_of_head = next;
  append(8);
  const std::string path = TestFolder("llama2c") + "/m.bin";
  ASSERT_TRUE(WriteFileAtomic(path, bytes).ok());
  const auto source = Open(path);
  ASSERT_NE(source, nullptr);
  const at::Tensor q = Read(*source, "model.layers.0.self_attn.q_proj.weight");
  // Pairs (0, 1), (2, 3) of the file become (0, 2), (1, 3).
  const at::Tensor expected =
      at::arange(4, at::kFloat).unsqueeze(0) + 4 * at::tensor({0.f, 2.f, 1.f, 3.f}).unsqueeze(1) + first_of_q;
  EXPECT_TRUE(at::equal(q, expected)) << q;
  EXPECT_EQ(Read(*source, "model.layers.0.self_attn.v_proj.weight").flatten()[0].item<float>(), first_of_q + 32);
  EXPECT_EQ(Read(*source, "model.layers.0.mlp.up_proj.weight").flatten()[0].item<float>(), first_of_q + 64 + 4 + 8);
  EXPECT_EQ(Read(*source, "lm_head.weight").flatten()[0].item<float>(), first_of_head);
}

TEST(WeightSource, SaysWhichWeightsAreConv1D) {
  const auto gpt2 = Open(kModels + "tiny_gpt2");
  ASSERT_NE(gpt2, nullptr);
  EXPECT_TRUE(gpt2->IsConv1D("transformer.h.0.attn.c_attn.weight"));
  EXPECT_FALSE(gpt2->IsConv1D("transformer.h.0.attn.c_attn.bias"));
  EXPECT_FALSE(gpt2->IsConv1D("transformer.wte.weight"));
  for (const ExpectedTensor& tensor : ExpectedTensors(gpt2->config())) {
    EXPECT_EQ(gpt2->IsConv1D(tensor.name), tensor.conv1d) << tensor.name;
  }
  const auto gptj = Open(kModels + "tiny_gptj");
  ASSERT_NE(gptj, nullptr);
  EXPECT_FALSE(gptj->IsConv1D("transformer.h.0.attn.q_proj.weight"));
}

TEST(WeightSource, NamesAnUnknownTensor) {
  const auto source = Open(kModels + "tiny_llama");
  ASSERT_NE(source, nullptr);
  EXPECT_TRUE(source->Has("model.norm.weight"));
  EXPECT_FALSE(source->Has("lm_head.weight"));
  const auto missing = source->Read("model.norm.weigth", at::kFloat);
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Message(missing.status()), HasSubstr("did you mean 'model.norm.weight'"));
}

// A copy of tiny_llama with some tensors changed by `edit`.
std::string EditedFolder(const std::string& name, const std::function<void(std::vector<NamedTensor>&)>& edit) {
  const std::string folder = TestFolder(name);
  auto tensors = ReadTensors(kModels + "tiny_llama/model.safetensors");
  EXPECT_TRUE(tensors.ok());
  edit(*tensors);
  EXPECT_TRUE(WriteTensors(folder + "/model.safetensors", *tensors).ok());
  std::filesystem::copy_file(kModels + "tiny_llama/config.json", folder + "/config.json");
  return folder;
}

TEST(WeightSource, NamesMissingUnexpectedAndMisshapenTensors) {
  const std::string fewer = EditedFolder("fewer", [](auto& tensors) {
    std::erase_if(tensors, [](const NamedTensor& t) { return t.name == "model.norm.weight"; });
    tensors.push_back({"model.layers.0.self_attn.q_proj.bias", at::zeros({32})});
  });
  EXPECT_THAT(Message(OpenModel(fewer).status()),
              testing::AllOf(HasSubstr("missing tensors: model.norm.weight"),
                             HasSubstr("no place for: model.layers.0.self_attn.q_proj.bias")));
  const std::string misshapen = EditedFolder("misshapen", [](auto& tensors) {
    for (NamedTensor& t : tensors) {
      if (t.name == "model.norm.weight") t.tensor = at::zeros({31});
    }
  });
  EXPECT_THAT(Message(OpenModel(misshapen).status()), HasSubstr("'model.norm.weight' has shape [31], expected [32]"));
  const std::string integers = EditedFolder("integers", [](auto& tensors) {
    for (NamedTensor& t : tensors) {
      if (t.name == "model.norm.weight") t.tensor = at::zeros({32}, at::kLong);
    }
  });
  EXPECT_THAT(Message(OpenModel(integers).status()), HasSubstr("stored as I64, supported are F32, F16, BF16"));
}

at::Tensor EmbeddingOf(const std::vector<NamedTensor>& tensors) {
  for (const NamedTensor& t : tensors) {
    if (t.name == "model.embed_tokens.weight") return t.tensor;
  }
  return {};
}

TEST(WeightSource, IgnoresBuffersAndTheCopyOfATiedHead) {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    const std::string folder = EditedFolder("buffers", [&](auto& tensors) {
      for (NamedTensor& t : tensors) t.tensor = t.tensor.to(at::kBFloat16).to(at::kFloat);  // so that both types hold the numbers
      tensors.push_back({"model.layers.0.self_attn.rotary_emb.inv_freq", at::zeros({4})});
      tensors.push_back({"lm_head.weight", EmbeddingOf(tensors).to(type)});
    });
    const auto source = Open(folder);
    ASSERT_NE(source, nullptr);
    EXPECT_FALSE(source->Has("lm_head.weight"));
    EXPECT_TRUE(source->config().tie_embeddings);
  }
}

// As transformers does: what the file holds counts, whatever the config says of tying.
TEST(WeightSource, UsesAHeadThatIsNotTheEmbedding) {
  const auto source = Open(EditedFolder("head", [](auto& tensors) {
    at::Tensor head = EmbeddingOf(tensors).clone();
    head[63][31] += 0.5;
    tensors.push_back({"lm_head.weight", head});
  }));
  ASSERT_NE(source, nullptr);
  EXPECT_FALSE(source->config().tie_embeddings);
  const at::Tensor difference = Read(*source, "lm_head.weight") - Read(*source, "model.embed_tokens.weight");
  EXPECT_EQ(difference.count_nonzero().item<int64_t>(), 1);
  EXPECT_THAT(Message(OpenModel(EditedFolder("short",
                                             [](auto& tensors) {
                                               tensors.push_back({"lm_head.weight", at::zeros({63, 32})});
                                             }))
                          .status()),
              HasSubstr("'lm_head.weight' has shape [63, 32], expected [64, 32]"));
}

TEST(WeightSource, AHeadAloneIsTheEmbeddingOfATiedModel) {
  const auto renamed = [](auto& tensors) {
    for (NamedTensor& t : tensors) {
      if (t.name == "model.embed_tokens.weight") t.name = "lm_head.weight";
    }
  };
  const auto source = Open(EditedFolder("only", renamed)), tied = Open(kModels + "tiny_llama");
  ASSERT_TRUE(source != nullptr && tied != nullptr);
  EXPECT_EQ(source->names(), tied->names());
  EXPECT_TRUE(at::equal(Read(*source, "model.embed_tokens.weight"), Read(*tied, "model.embed_tokens.weight")));
  EXPECT_EQ(*source->weight_hash(), *tied->weight_hash());
}

TEST(WeightSource, MessagesNameTensorsAsTheFileDoes) {
  const auto bare = [](auto& tensors) {
    for (NamedTensor& t : tensors) t.name = t.name.substr(std::string("model.").size());
  };
  const auto refusal = [&](const std::string& name, const std::function<void(std::vector<NamedTensor>&)>& edit) {
    return Message(OpenModel(EditedFolder(name, [&](auto& tensors) {
                     bare(tensors);
                     edit(tensors);
                   })).status());
  };
  EXPECT_THAT(refusal("missing",
                      [](auto& tensors) {
                        std::erase_if(tensors, [](const NamedTensor& t) { return t.name == "norm.weight"; });
                        tensors.push_back({"layers.0.self_attn.q_proj.bias", at::zeros({32})});
                      }),
              testing::AllOf(HasSubstr("missing tensors: norm.weight"), HasSubstr("for: layers.0.self_attn.q_proj.bias")));
  EXPECT_THAT(refusal("shape",
                      [](auto& tensors) {
                        for (NamedTensor& t : tensors) {
                          if (t.name == "norm.weight") t.tensor = at::zeros({31});
                        }
                      }),
              HasSubstr("tensor 'norm.weight' has shape"));
  EXPECT_THAT(refusal("twice",
                      [](auto& tensors) {
                        tensors.push_back({"model.norm.weight", at::zeros({32})});
                      }),
              testing::AllOf(HasSubstr("'norm.weight'"), HasSubstr("'model.norm.weight'"), HasSubstr("twice")));
}

TEST(WeightSource, SaysWhatAGitLfsPointerIs) {
  const std::string pointer =
      "version https://git-lfs.github.com/spec/v1\noid sha256:" + std::string(64, 'a') + "\nsize 269060552\n";
  const std::string folder = TestFolder("lfs");
  std::filesystem::copy_file(kModels + "tiny_llama/config.json", folder + "/config.json");
  for (const char* name : {"model.safetensors", "model.gguf"}) {
    ASSERT_TRUE(WriteFileAtomic(folder + "/" + name, pointer).ok());
  }
  for (const std::string& path : {folder, folder + "/model.gguf"}) {
    EXPECT_THAT(
        Message(OpenModel(path).status()),
        testing::AllOf(HasSubstr("is a Git LFS pointer, not the file itself of 269060552 bytes"), HasSubstr("git lfs pull")));
  }
}

TEST(WeightSource, TakesNamesOfTheBareModel) {
  const std::string folder = EditedFolder("bare", [](auto& tensors) {
    for (NamedTensor& t : tensors) t.name = t.name.substr(std::string("model.").size());
  });
  const auto source = Open(folder);
  ASSERT_NE(source, nullptr);
  EXPECT_TRUE(source->Read("model.norm.weight", at::kFloat).ok());
}

TEST(WeightSource, NamesTheElementThatIsNotFinite) {
  const std::string folder = EditedFolder("nan", [](auto& tensors) {
    for (NamedTensor& t : tensors) {
      if (t.name == "model.layers.1.mlp.up_proj.weight") {
        t.tensor[3][5] = std::numeric_limits<float>::quiet_NaN();
        t.tensor[4][0] = std::numeric_limits<float>::infinity();
      }
      if (t.name == "model.norm.weight") t.tensor[2] = 1e5f;
    }
  });
  const auto source = Open(folder);
  ASSERT_NE(source, nullptr);
  const auto damaged = source->Read("model.layers.1.mlp.up_proj.weight", at::kFloat);
  EXPECT_EQ(damaged.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(Message(damaged.status()), HasSubstr("'model.layers.1.mlp.up_proj.weight' has nan at [3, 5]"));
  EXPECT_TRUE(source->Read("model.norm.weight", at::kBFloat16).ok());
  EXPECT_THAT(Message(source->Read("model.norm.weight", at::kHalf).status()), HasSubstr("expected finite numbers of Half"));
  source->set_check_finite(false);
  EXPECT_TRUE(source->Read("model.layers.1.mlp.up_proj.weight", at::kFloat).ok());
}

TEST(WeightSource, HashesContentNotPlaces) {
  const auto a = Open(kModels + "tiny_llama"), same = Open(EditedFolder("same", [](auto&) {}));
  const auto other = Open(EditedFolder("other", [](auto& tensors) { tensors.front().tensor.view(-1)[7] += 1e-3; }));
  ASSERT_TRUE(a != nullptr && same != nullptr && other != nullptr);
  EXPECT_EQ(*a->weight_hash(), *same->weight_hash());
  EXPECT_NE(*a->weight_hash(), *other->weight_hash());
}

TEST(WeightSource, RefusesIndexesThatLeadElsewhere) {
  const std::string folder = TestFolder("index");
  std::filesystem::copy_file(kModels + "tiny_llama/config.json", folder + "/config.json");
  EXPECT_THAT(Message(OpenModel(folder).status()), HasSubstr("neither model.safetensors nor"));
  const auto refusal = [&](const std::string& index) {
    EXPECT_TRUE(WriteFileAtomic(folder + "/model.safetensors.index.json", index).ok());
    return Message(OpenModel(folder).status());
  };
  EXPECT_THAT(refusal(R"({"weight_map": {"a": "../x.safetensors"}})"), HasSubstr("not mapped to a .safetensors file of this"));
  EXPECT_THAT(refusal(R"({"weight_map": {"a": 3}})"), HasSubstr("not mapped"));
  EXPECT_THAT(refusal(R"({"weight_map": []})"), HasSubstr("'weight_map'"));
  EXPECT_THAT(refusal(R"({"weight_map": {"a": "x.safetensors"}})"), HasSubstr("x.safetensors"));
}

}  // namespace
}  // namespace gfn
