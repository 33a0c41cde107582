// data/README.md says what the texts are; this holds the files to it.
#include <map>
#include <set>
#include <string>
#include <vector>

#include "gflownet/base/jsonl.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace gfn {
namespace {

std::vector<nlohmann::json> ReadLines(const std::string& name) {
  std::vector<nlohmann::json> lines;
  auto reader = JsonlReader::Open(GFN_SOURCE_DIR "/data/" + name);
  EXPECT_TRUE(reader.ok()) << reader.status();
  nlohmann::json line;
  while (reader.ok()) {
    const auto more = reader->Next(&line);
    EXPECT_TRUE(more.ok()) << more.status();
    if (!more.ok() || !*more) break;
    lines.push_back(line);
  }
  return lines;
}

std::string PartOf(const std::string& id) {
  const int r = std::stoi(id.substr(1)) % 20;
  if (r == 5 || r == 15) return "validation";
  return r == 0 || r == 7 || r == 13 ? "test" : "train";
}

TEST(Data, StoriesAreSplitAsDocumented) {
  const std::map<std::string, size_t> sizes = {{"train", 240}, {"validation", 32}, {"test", 48}};
  std::set<std::string> ids, titles, sentences;
  for (const auto& [part, size] : sizes) {
    const auto stories = ReadLines("stories/" + part + ".jsonl");
    EXPECT_EQ(stories.size(), size) << part;
    size_t num_a = 0;
    for (const auto& story : stories) {
      const std::string id = story.at("id");
      ASSERT_THAT(id, ::testing::MatchesRegex("[ab][0-9][0-9][0-9]"));
      EXPECT_EQ(PartOf(id), part) << id;
      EXPECT_TRUE(ids.insert(id).second) << id << " occurs twice";
      EXPECT_TRUE(titles.insert(story.at("title")).second) << id;
      ASSERT_EQ(story.at("sentences").size(), 5u) << id;
      for (const std::string sentence : story.at("sentences")) EXPECT_TRUE(sentences.insert(sentence).second) << sentence;
      num_a += id[0] == 'a' ? 1 : 0;
    }
    EXPECT_EQ(2 * num_a, size) << "both series alike in " << part;
  }
  EXPECT_EQ(ids.size(), 320u);
}

TEST(Data, MoviesAreBalanced) {
  std::map<std::string, int> labels;
  for (const auto& movie : ReadLines("movies/movies.jsonl")) {
    EXPECT_FALSE(movie.at("text").get<std::string>().empty());
    ++labels[movie.at("label")];
  }
  EXPECT_THAT(labels, ::testing::ElementsAre(::testing::Pair("objective", 200), ::testing::Pair("subjective", 200)));
}

TEST(Data, TheSplitOfTheMoviesIsOfThemAndItsFirstLabelsAreBalanced) {
  std::set<std::string> all, split;
  for (const auto& movie : ReadLines("movies/movies.jsonl")) all.insert(movie.dump());
  const auto train = ReadLines("movies/train.jsonl"), test = ReadLines("movies/test.jsonl");
  EXPECT_EQ(train.size(), 50u);
  EXPECT_EQ(test.size(), 350u);
  for (const auto& part : {train, test}) {
    for (const auto& movie : part) EXPECT_TRUE(split.insert(movie.dump()).second) << movie;
  }
  EXPECT_EQ(split, all);
  for (size_t i = 0; i < train.size(); ++i) EXPECT_EQ(train[i].at("label"), i % 2 == 0 ? "objective" : "subjective") << i;
}

}  // namespace
}  // namespace gfn
