#include "gflownet/tensor/parametrisation.h"

#include <gtest/gtest.h>

#include <cmath>

namespace gfn {
namespace {

using Table = ParametrisationTable;

// fan_in 4 times and fan_out 9 times that of the base model.
constexpr Width kIn{32, 8}, kOut{90, 10}, kFixed{5};

ParameterShape ShapeOf(ParameterRole role) {
  switch (role) {
    case ParameterRole::kInput:
      return MatrixShape(kFixed, kOut);
    case ParameterRole::kHidden:
      return MatrixShape(kIn, kOut);
    case ParameterRole::kOutput:
      return MatrixShape(kIn, kFixed);
    case ParameterRole::kTied:
      return EmbeddingShape(kOut, true);
    case ParameterRole::kVector:
      return VectorShape(kOut);
    case ParameterRole::kScalar:
      return MatrixShape({7}, {3});
  }
  return {};
}

struct Expected {
  Table table;
  ParameterRole role;
  double variance, multiplier, sgd, adam;
  double weight_decay, epsilon;
  double readout = 1;
};

// The cells of tables 3, 8 and 9, with n / n_base for n; weight decay is the inverse of Adam's learning rate (none for vectors),
// epsilon the multiplier times the scale of the gradient, 1 / 9 for what feeds a width.
TEST(ParametrisationTest, HasTheFactorsOfTheThreeTables) {
  using R = ParameterRole;
  const std::vector<Expected> cells = {
      {Table::kMupTable3, R::kInput, 1.0 / 5, 1, 9, 1, 1, 1.0 / 9},
      {Table::kMupTable3, R::kVector, 1, 1, 9, 1, 0, 1.0 / 9},
      {Table::kMupTable3, R::kTied, 1, 1, 9, 1, 1, 1.0 / 9, 1.0 / 9},
      {Table::kMupTable3, R::kHidden, 1.0 / 32, 1, 9.0 / 4, 1.0 / 4, 4, 1.0 / 9},
      {Table::kMupTable3, R::kOutput, 1.0 / 32 / 4, 1, 1.0 / 4, 1.0 / 4, 4, 1},
      {Table::kMupTable3, R::kScalar, 1.0 / 7, 1, 1, 1, 1, 1},
      {Table::kMupTable8, R::kInput, 1.0 / 5, 1, 9, 1, 1, 1.0 / 9},
      {Table::kMupTable8, R::kVector, 1, 1, 9, 1, 0, 1.0 / 9},
      {Table::kMupTable8, R::kTied, 1, 1, 9, 1, 1, 1.0 / 9, 1.0 / 9},
      {Table::kMupTable8, R::kHidden, 1.0 / 32, 1, 9.0 / 4, 1.0 / 4, 4, 1.0 / 9},
      {Table::kMupTable8, R::kOutput, 1.0 / 8, 1.0 / 4, 4, 1, 1, 1.0 / 4},
      {Table::kMupTable8, R::kScalar, 1.0 / 7, 1, 1, 1, 1, 1},
      {Table::kMupTable9, R::kInput, 1.0 / 5 / 9, 3, 1, 1.0 / 3, 3, 1.0 / 3},
      {Table::kMupTable9, R::kVector, 1.0 / 9, 3, 1, 1.0 / 3, 0, 1.0 / 3},
      {Table::kMupTable9, R::kTied, 1.0 / 9, 3, 1, 1.0 / 3, 3, 1.0 / 3, 1.0 / 3},
      {Table::kMupTable9, R::kHidden, 1.0 / 32, 1, 9.0 / 4, 1.0 / 4, 4, 1.0 / 9},
      {Table::kMupTable9, R::kOutput, 1.0 / 32, 1.0 / 2, 1, 1.0 / 2, 2, 1.0 / 2},
      {Table::kMupTable9, R::kScalar, 1.0 / 7, 1, 1, 1, 1, 1},
  };
  for (const Expected& cell : cells) {
    const ParameterShape shape = ShapeOf(cell.role);
    ASSERT_EQ(shape.role, cell.role);
    const ParameterFactors factors = FactorsOf({cell.table, {}}, shape);
    const std::string where = std::string(EnumName(cell.table)) + " " + Describe(shape) + ": " + Describe(factors);
    EXPECT_DOUBLE_EQ(factors.init_variance, cell.variance) << where;
    EXPECT_DOUBLE_EQ(factors.multiplier, cell.multiplier) << where;
    EXPECT_DOUBLE_EQ(factors.sgd_learning_rate, cell.sgd) << where;
    EXPECT_DOUBLE_EQ(factors.learning_rate, cell.adam) << where;
    EXPECT_DOUBLE_EQ(factors.weight_decay, cell.weight_decay) << where;
    EXPECT_DOUBLE_EQ(factors.epsilon, cell.epsilon) << where;
    EXPECT_DOUBLE_EQ(factors.readout_multiplier, cell.readout) << where;
  }
}

TEST(ParametrisationTest, AtTheBaseSizesAndInTheStandardTableNothingIsScaled) {
  for (const auto& table : GfnEnumEntries(Table{})) {
    for (const auto& role : GfnEnumEntries(ParameterRole{})) {
      ParameterShape shape = ShapeOf(role.value);
      if (table.value != Table::kStandard) {
        for (Width* width : {&shape.fan_in, &shape.fan_out}) {
          if (width->grows()) width->size = width->base;
        }
      }
      ParameterFactors expected;
      expected.init_variance = 1.0 / static_cast<double>(shape.fan_in.size);
      if (role.value == ParameterRole::kVector && table.value != Table::kStandard) expected.weight_decay = 0;
      EXPECT_EQ(FactorsOf({table.value, {}}, shape), expected) << table.name << " " << role.name;
    }
  }
}

TEST(ParametrisationTest, HasTheDepthRulesOfCompleteP) {
  for (const double alpha : {0.0, 0.5, 1.0}) {
    const Parametrisation deep = {Table::kMupTable8, alpha};
    const Parametrisation flat = {Table::kMupTable8, {}};
    const Width depth{12, 3};
    EXPECT_DOUBLE_EQ(ResidualMultiplier(deep, depth), std::pow(4, -alpha));
    EXPECT_EQ(ResidualMultiplier(flat, depth), 1);
    EXPECT_EQ(ResidualMultiplier(deep, {12}), 1);
    for (const ParameterShape& shape : {MatrixShape(kIn, kOut, depth), VectorShape(kOut, depth)}) {
      const ParameterFactors with = FactorsOf(deep, shape), without = FactorsOf(flat, shape);
      EXPECT_DOUBLE_EQ(with.learning_rate, without.learning_rate * std::pow(4, alpha - 1));
      EXPECT_DOUBLE_EQ(with.epsilon, without.epsilon * std::pow(4, -alpha));
      EXPECT_DOUBLE_EQ(with.sgd_learning_rate, without.sgd_learning_rate * std::pow(4, 2 * alpha - 1));
      EXPECT_DOUBLE_EQ(with.learning_rate * with.weight_decay, shape.role == ParameterRole::kVector ? 0 : 1);
      EXPECT_EQ(with.init_variance, without.init_variance);
      EXPECT_EQ(with.multiplier, without.multiplier);
    }
    // Outside of the blocks depth is fixed.
    EXPECT_EQ(FactorsOf(deep, MatrixShape(kIn, kFixed)), FactorsOf(flat, MatrixShape(kIn, kFixed)));
  }
}

TEST(ParametrisationTest, ProductsOfSizesGrowWithEither) {
  EXPECT_EQ((Width{4}.Times({16})), (Width{64}));
  EXPECT_EQ((Width{4, 2}.Times({16})), (Width{64, 32}));
  EXPECT_EQ((Width{4}.Times({16, 8})), (Width{64, 32}));
  EXPECT_EQ((Width{4, 2}.Times({16, 8})), (Width{64, 16}));
  EXPECT_DOUBLE_EQ(AttentionScale({}, {64, 16}), 1.0 / 8);
  EXPECT_DOUBLE_EQ(AttentionScale({Table::kMupTable3, {}}, {64, 16}), 4.0 / 64);
  EXPECT_DOUBLE_EQ(AttentionScale({Table::kMupTable3, {}}, {64}), 1.0 / 8);
}

TEST(ParametrisationDeathTest, SizesThatCannotBeAreAMistakeOfTheProgram) {
  EXPECT_DEATH(FactorsOf({}, MatrixShape({0}, {3})), "fan_in of a parameter is 0");
  EXPECT_DEATH(FactorsOf({}, VectorShape({3, -1})), "in the base model -1");
}

}  // namespace
}  // namespace gfn
