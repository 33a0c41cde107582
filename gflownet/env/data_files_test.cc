// Worlds whose target is a file: what is read, what is written, and what a bad file is told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gflownet/base/file_util.h"
#include "gflownet/base/test_folder.h"
#include "gflownet/env/bayes_net.h"
#include "gflownet/env/conformance.h"
#include "gflownet/env/ising.h"
#include "gflownet/env/phylogeny.h"
#include "gflownet/env/string_table.h"

namespace gfn {
namespace {

using testing::HasSubstr;

class DataFiles : public testing::Test {
 protected:
  std::string File(const std::string& text) {
    const std::string path = JoinPath(folder_.path(), "file");
    EXPECT_TRUE(WriteFileAtomic(path, text).ok());
    return path;
  }
  template <class Config>
  static std::string Mistake(const Config& config) {
    const auto world = CreateWorld(config);
    return world.ok() ? "nothing" : Message(world.status());
  }

 private:
  TestFolder folder_;
};

TEST_F(DataFiles, BayesNetObservations) {
  const BayesNetRewardConfig simulated{.num_samples = 20, .seed = 3};
  const at::Tensor data_Sd = SampleBayesNetData(3, simulated);
  const std::string path = File(WriteBayesNetData(data_Sd));
  const auto read = ReadBayesNetData(path, 3);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_TRUE(read->equal(data_Sd)) << "every digit comes back";
  const auto from_file = CreateWorld(BayesNetConfig{.num_nodes = 3, .reward = {.data = path}});
  ASSERT_TRUE(from_file.ok()) << from_file.status();
  const auto from_seed = CreateWorld(BayesNetConfig{.num_nodes = 3, .reward = simulated}).value();
  const State objects = from_seed.enumerable()->ObjectsAt(at::arange(25, at::kLong), Unconditional());
  const auto rewards = [&](const RewardedWorld& world) {
    return dynamic_cast<const StateReward&>(*world.reward).LogRewardOf(objects);
  };
  EXPECT_TRUE(rewards(*from_file).equal(rewards(from_seed)));
  EXPECT_TRUE(CheckWorld(*from_file).ok()) << CheckWorld(*from_file);

  const auto mistake = [&](const std::string& text) {
    return Mistake(BayesNetConfig{.num_nodes = 2, .reward = {.data = File(text)}});
  };
  EXPECT_EQ(mistake("a,b\n1,2\n"), "nothing");
  EXPECT_THAT(mistake("a,b,c\n1,2,3\n"), HasSubstr("file:1: expected 2 columns (task.num_nodes), found 3"));
  EXPECT_THAT(mistake("1,2\n3,4\n"), HasSubstr("file:1: expected the names"));
  EXPECT_THAT(mistake("a,b\n1,2\n3,x\n"), HasSubstr("file:3: b: expected a finite number, found 'x'"));
  EXPECT_THAT(mistake("a,b\n"), HasSubstr("file:1: expected samples"));
  EXPECT_THAT(Mistake(BayesNetConfig{.reward = {.data = "no/such/file"}}), HasSubstr("no/such/file"));
}

TEST_F(DataFiles, Alignments) {
  // One site splits (a b) from (c d); gap and ambiguity code cost nothing where a tree can agree with them.
  const std::string text = ">a first\nAC-a\n>b\nACGa\n\n>c\nTCGR\n>d\nTC\nGg\n";
  const auto alignment = ReadAlignment(File(text));
  ASSERT_TRUE(alignment.ok()) << alignment.status();
  EXPECT_THAT(alignment->names, testing::ElementsAre("a", "b", "c", "d"));
  EXPECT_THAT(alignment->sites[0], testing::ElementsAre(1, 2, 15, 1));
  EXPECT_THAT(alignment->sites[2], testing::ElementsAre(8, 2, 4, 5));
  const auto again = ReadAlignment(File(WriteAlignment(*alignment)));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->sites, alignment->sites);
  const auto world = CreateWorld(PhylogenyConfig{.num_species = 4, .reward = {.alignment = File(text), .beta = 1}});
  ASSERT_TRUE(world.ok()) << world.status();
  EXPECT_TRUE(CheckWorld(*world).ok()) << CheckWorld(*world);
  const auto& reward = dynamic_cast<const PhylogenyReward&>(*world->reward);
  const auto& trees = *world->enumerable();
  const at::Tensor mutations = reward.NumMutations(trees.ObjectsAt(at::arange(trees.NumObjects(), at::kLong), Unconditional()));
  // Site 0 costs 1 on the trees that split a b from c d (and with one root or the other), else 2; site 3 is a a r g: one change.
  EXPECT_EQ(mutations.min().item<int64_t>(), 2);
  EXPECT_EQ(mutations.max().item<int64_t>(), 3);
  EXPECT_EQ(mutations.eq(2).sum().item<int64_t>(), 5) << "rooted trees of the one unrooted tree that fits";

  const auto mistake = [&](const std::string& bad) {
    return Mistake(PhylogenyConfig{.num_species = 2, .reward = {.alignment = File(bad)}});
  };
  EXPECT_EQ(mistake(">a\nAC\n>b\nGT\n"), "nothing");
  EXPECT_THAT(mistake("AC\n"), HasSubstr("file:1: expected a name"));
  EXPECT_THAT(mistake(">a\nAC\n>b\nGJ\n"), HasSubstr("file:4: 'J' is no nucleotide"));
  EXPECT_THAT(mistake(">a\nAC\n>b\nG\n"), HasSubstr("file:3: 'b' has 1 sites, 'a' 2"));
  EXPECT_THAT(mistake(">a\nAC\n>a\nGT\n"), HasSubstr("file:3: a second sequence 'a'"));
  EXPECT_THAT(mistake(">a\n>b\nGT\n"), HasSubstr("file:1: 'a' has no sites"));
  EXPECT_THAT(mistake(">a\nAC\n>b\nGT\n>c\nAA\n"), HasSubstr("3 sequences, but task.num_species is 2"));
  EXPECT_THAT(mistake(">a\nAC\n"), HasSubstr("two sequences or more"));
}

TEST_F(DataFiles, IsingCouplings) {
  const std::string path = File("# bonds\n0,1,0.5\n3,2,-1\n0,3,2\n1,1,0.25\n");
  const auto world = CreateWorld(IsingConfig{.side = 2, .reward = {.beta = 2, .couplings = path}});
  ASSERT_TRUE(world.ok()) << world.status();
  EXPECT_TRUE(CheckWorld(*world).ok()) << CheckWorld(*world);
  const State objects = world->enumerable()->ObjectsAt(at::arange(16, at::kLong), Unconditional());
  const at::Tensor s = Ising::Spins(objects).t();
  const at::Tensor expected = 2 * (0.5 * s[0] * s[1] - s[2] * s[3] + 2 * s[0] * s[3] + 0.25 * s[1]);
  const auto& reward = dynamic_cast<const IsingReward&>(*world->reward);
  EXPECT_TRUE(at::allclose(reward.LogRewardOf(objects), expected, 1e-12, 1e-12));
  const auto again = ReadIsingEnergy(File(WriteIsingEnergy(reward.couplings(), reward.field())), 4);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->couplings_NN.equal(reward.couplings()) && again->field_N.equal(reward.field()));

  const auto mistake = [&](const std::string& text) {
    return Mistake(IsingConfig{.side = 2, .reward = {.couplings = File(text)}});
  };
  EXPECT_EQ(mistake("0,1,1\n"), "nothing");
  EXPECT_THAT(mistake("0,1\n"), HasSubstr("file:1: expected three fields i,j,J"));
  EXPECT_THAT(mistake("0,1,1\n0,4,1\n"), HasSubstr("file:2: j: expected a whole number from 0 to 3, found '4'"));
  EXPECT_THAT(mistake("0,1,1\n1,0,2\n"), HasSubstr("file:2: spins 1 and 0 were given in line 1"));
  EXPECT_THAT(mistake("0,1,nan\n"), HasSubstr("file:1: J: expected a finite number"));
  EXPECT_THAT(mistake("2,2,x\n"), HasSubstr("file:1: h: expected a finite number"));
}

TEST_F(DataFiles, StringTables) {
  for (const StringOrder order : {StringOrder::kAppend, StringOrder::kBothEnds}) {
    std::string text = "sequence,value\n";
    for (const char* symbols : {"aaa", "aab", "aba", "abb", "baa", "bab", "bba", "bbb"})
      text += std::string(symbols) + "," + std::to_string(text.size()) + "\n";
    StringTableConfig config{.alphabet = "ab", .length = 3, .order = order, .reward = {.file = File(text), .beta = 2}};
    const auto world = CreateWorld(config);
    ASSERT_TRUE(world.ok()) << world.status();
    EXPECT_TRUE(CheckWorld(*world).ok()) << CheckWorld(*world);
    const auto& table = dynamic_cast<const StringTable&>(*world->environment);
    EXPECT_EQ(table.NumStates(), 7);
    const State objects = table.ObjectsAt(at::arange(8, at::kLong), Unconditional());
    const at::Tensor log_reward = dynamic_cast<const StateReward&>(*world->reward).LogRewardOf(objects);
    for (int64_t i = 0; i < 8; ++i) {
      const std::string name = table.Format(objects, i);
      const size_t line = text.find("\n" + name + ",");
      ASSERT_NE(line, text.npos) << name;
      EXPECT_NEAR(log_reward[i].item<double>(), 2 * std::log(std::stod(text.substr(line + 5))), 1e-12) << name;
    }
    config.reward = {.file = File(table.WriteTable()), .scale = TableScale::kLog};
    const auto again = CreateWorld(config);
    ASSERT_TRUE(again.ok()) << again.status();
    EXPECT_TRUE(dynamic_cast<const StateReward&>(*again->reward).LogRewardOf(objects).equal(log_reward));
  }
}

TEST_F(DataFiles, BadStringTables) {
  const auto mistake = [&](const std::string& text, StringTableRewardConfig reward = {}) {
    reward.file = File(text);
    return Mistake(StringTableConfig{.alphabet = "ab", .length = 1, .reward = reward});
  };
  EXPECT_EQ(mistake("a,1\nb,2\n"), "nothing");
  EXPECT_THAT(mistake("a,1\n"), HasSubstr("1 of 2 strings are missing, the first is 'b'"));
  EXPECT_EQ(mistake("a,1\n", {.missing = 0.5}), "nothing");
  EXPECT_THAT(mistake("a,1\n", {.missing = 0}), HasSubstr("task.reward.missing"));
  EXPECT_THAT(mistake("a,1\nb,2\na,3\n"), HasSubstr("file:3: 'a' was given in line 1"));
  EXPECT_THAT(mistake("a,1\nc,2\n"), HasSubstr("file:2: expected a string of 1 symbols of 'ab', found 'c'"));
  EXPECT_THAT(mistake("a,1\nab,2\n"), HasSubstr("file:2: expected a string of 1 symbols"));
  EXPECT_THAT(mistake("a,1\nb,x\n"), HasSubstr("file:2: value: expected a finite number, found 'x'"));
  EXPECT_THAT(mistake("a,1\nb,0\n"), HasSubstr("file:2: the reward of 'b' is 0, expected one above 0 (task.reward.least"));
  EXPECT_EQ(mistake("a,1\nb,0\n", {.least = 0.001}), "nothing");
  EXPECT_EQ(mistake("a,1\nb,-3\n", {.scale = TableScale::kLog}), "nothing");
  EXPECT_THAT(mistake("a,1,2\n"), HasSubstr("file:1: expected two fields"));
  const std::string path = File("a,1\n");
  EXPECT_THAT(Mistake(StringTableConfig{.alphabet = "aa", .length = 1, .reward = {.file = path}}), HasSubstr("holds 'a' twice"));
  EXPECT_THAT(Mistake(StringTableConfig{.alphabet = "abcd", .length = 12, .reward = {.file = path}}),
              HasSubstr("more than 2^22"));
}

// The size of TFBind8, and of QM9: numbered, listed and consistent.
TEST_F(DataFiles, BenchmarkSizedTables) {
  for (const auto& [alphabet, length, states] : {std::tuple{"ACGT", 8, int64_t{21845}}, {"0123456789A", 5, int64_t{16105}}}) {
    StringTableConfig config{.alphabet = alphabet, .length = length, .order = StringOrder::kBothEnds};
    config.reward = {
        .file = File(std::string(static_cast<size_t>(length), config.alphabet[1]) + ",0.9\n"), .beta = 3, .missing = 0.1};
    const auto world = CreateWorld(config);
    ASSERT_TRUE(world.ok()) << world.status();
    EXPECT_EQ(world->enumerable()->NumStates(), states);
    Findings findings;
    FindBrokenNumbering(*world->enumerable(), Unconditional(), findings);
    EXPECT_THAT(findings.lines(), testing::IsEmpty());
  }
}

}  // namespace
}  // namespace gfn
