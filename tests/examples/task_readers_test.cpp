// What the programs of examples/tasks read: CSV, SCAN, recordings, vectors with captions, lines.
#include <algorithm>
#include <cmath>

#include <unroll/autograd/error.h>
#include <unroll/examples/tasks/parts/columns.h>
#include <unroll/examples/tasks/parts/lines.h>
#include <unroll/examples/tasks/parts/memory_tasks.h>
#include <unroll/examples/tasks/parts/pictures.h>
#include <unroll/examples/tasks/parts/recordings.h>
#include <unroll/examples/tasks/parts/scan.h>
#include <unroll/examples/tasks/parts/series.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/text/temporary_file.h>

namespace unroll::tasks {

namespace {

/// What `read` says about a file with this text.
template <class Read>
std::string complaint(const Read& read, std::string_view text) {
  const TemporaryFile file(text);
  try {
    read(file.path().string());
  } catch (const IoError& e) {
    return e.what();
  }
  return "";
}

std::vector<float> floats(const Tensor& tensor) {
  const auto values = tensor.data<float>();
  return {values.begin(), values.end()};
}

}  // namespace

TEST_CASE("numbers of a line", "[tasks]") {
  CHECK(numbers_of("").empty());
  CHECK(numbers_of(" 1 -2.5e1,\t3 , 4\r") == std::vector<float>{1, -25, 3, 4});
  CHECK(numbers_of("1,2", 2) == std::vector<float>{1, 2});
  CHECK(contains(thrown_message([] { numbers_of("1 x"); }), "got \"x\"; expected a number"));
  CHECK(contains(thrown_message([] { numbers_of("1 2", 3); }), "got 2 numbers; expected 3"));
  for (const char* bad : {"nan", "inf", "1e99", "1;2", ",", "1,,2", "0x1", "\xFF"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(numbers_of(bad), ValueError);
  }
}

TEST_CASE("series of a CSV file", "[tasks]") {
  const TemporaryFile file("date,a,b\n2016-07-01,1,2.5\r\n2016-07-02,-3e1,4\n");
  const Series series = read_csv(file.path().string());
  CHECK(series.values == std::vector<std::vector<float>>{{1, -30}, {2.5, 4}});
  CHECK(contains(complaint(read_csv, "date,a\nd,1\nd,1,2\n"), ":3: 3 columns; expected 2"));
  CHECK(contains(complaint(read_csv, "date,a\nd,one\n"), ":2: column 2: got \"one\""));
  CHECK(contains(complaint(read_csv, "date,a\nd,\n"), ":2: column 2: got 0 numbers"));
  CHECK(contains(complaint(read_csv, ""), "is empty"));
  CHECK(contains(complaint(read_csv, "date,a\n"), "2 columns and 0 rows"));
  CHECK(contains(complaint(read_csv, "date\nd\n"), "1 columns and"));
  CHECK_THROWS_AS(read_csv("/nowhere.csv"), IoError);
}

TEST_CASE("windows of a series", "[tasks]") {
  const Windows windows{{{{0, 1, 2, 3, 4, 5}, {10, 11, 12, 13, 14, 15}}}, 2, 1};
  // What is to be forecast lies within the rows; what is looked at may lie before them.
  CHECK(windows.within(0, 4) == std::vector<std::size_t>{0, 1, 2, 3});
  CHECK(windows.within(4, 6) == std::vector<std::size_t>{4, 5, 6, 7});
  CHECK(windows.within(0, 6, 3) == std::vector<std::size_t>{0, 1, 6, 7});
  CHECK(windows.within(0, 2).empty());
  const std::vector<std::size_t> chosen{5, 2};
  CHECK(floats(windows.inputs(chosen)) == std::vector<float>{12, 13, 1, 2});
  CHECK(floats(windows.targets(chosen)) == std::vector<float>{14, 3});
  CHECK(floats(windows.last_targets(chosen)) == std::vector<float>{14, 3});
  CHECK(windows.channels(chosen).data<std::int32_t>()[0] == 1);

  const Scale scale = scale_of(windows.series, 5);
  CHECK(scale.mean == std::vector<float>{2, 12});
  CHECK(scale.deviation[0] == Approx(std::sqrt(2.0)));
  CHECK(standardised(windows.series, scale).values[1][5] == Approx(3 / std::sqrt(2.0)));
}

TEST_CASE("the Mackey-Glass series is the known one", "[tasks]") {
  const Series series = mackey_glass(2000, 17);
  REQUIRE(series.rows() == 2000);
  const auto& x = series.values[0];
  CHECK(*std::ranges::min_element(x) == Approx(0.42).margin(0.03));
  CHECK(*std::ranges::max_element(x) == Approx(1.31).margin(0.03));
  CHECK(scale_of(series, 2000).mean[0] == Approx(0.92).margin(0.02));
}

TEST_CASE("pairs of a SCAN file", "[tasks]") {
  const TemporaryFile file("IN: jump twice OUT: I_JUMP I_JUMP\n");
  CHECK(read_scan(file.path().string()) ==
        std::vector<text::SentencePair>{{"jump twice", "I_JUMP I_JUMP"}});
  CHECK(contains(complaint(read_scan, "IN: a OUT: b\njump\n"), ":2: expected \"IN: words"));
  CHECK(contains(complaint(read_scan, "IN:  OUT: b\n"), ":1: "));
  CHECK(contains(complaint(read_scan, "IN: a OUT: \n"), ":1: "));
  CHECK(contains(complaint(read_scan, "IN: \xFF OUT: b\n"), "UTF-8"));
}

TEST_CASE("recordings of a file", "[tasks]") {
  const TemporaryFile file("jamming\n1 2 3\n4 5 6\n\n\nnormal\n7,8,9\n");
  const auto recordings = read_recordings(file.path().string());
  REQUIRE(recordings.size() == 2);
  CHECK(recordings[0].verdict == 2);
  CHECK(recordings[0].readings == std::vector<Reading>{{1, 2, 3}, {4, 5, 6}});
  CHECK(recordings[1].verdict == 0);
  CHECK(contains(complaint(read_recordings, "broken\n"), ":1: got the verdict \"broken\""));
  CHECK(contains(complaint(read_recordings, "normal\n1 2\n"), ":2: got 2 numbers; expected 3"));
  CHECK(contains(complaint(read_recordings, "normal\n\n1 2 3\n"), "without readings"));
  CHECK(contains(complaint(read_recordings, "normal\n"), "without readings"));
}

TEST_CASE("vectors and captions of a file", "[tasks]") {
  const TemporaryFile file("1 2\ta dog\n3,4\ttwo cats\n");
  const auto pictures = read_pictures(file.path().string());
  REQUIRE(pictures.size() == 2);
  CHECK(pictures[1].features == std::vector<float>{3, 4});
  CHECK(pictures[1].caption == "two cats");
  CHECK(contains(complaint(read_pictures, "1 2\ta\n1\tb\n"), ":2: got 1 numbers; expected 2"));
  CHECK(contains(complaint(read_pictures, "1 2\n"), ":1"));
}

TEST_CASE("columns of a text", "[tasks]") {
  const Columns columns({0, 1, 2, 3, 4, 5, 6}, 2, 2);  // 0 1 2 | 3 4 5, in chunks of two rows
  CHECK(columns.chunks() == 2);
  CHECK(columns.tokens() == 6);
  CHECK(columns.tokens_of(1) == 2);
  const auto whole = columns.chunk(0, 0, 1);
  CHECK(whole.inputs.shape() == Shape{2, 2});
  CHECK(to_string(whole.inputs) == to_string(Tensor({2, 2}, {0, 3, 1, 4})));
  CHECK(to_string(whole.targets) == to_string(Tensor({2, 2}, {1, 4, 2, 5})));
  const auto right = columns.chunk(1, 1, 2);
  CHECK(to_string(right.targets) == to_string(Tensor({1, 1}, {6})));
  CHECK(columns.chunk(0, 0, 3).inputs.size() == 0);
  CHECK_THROWS_AS(Columns({1, 2}, 2, 5), ValueError);
  CHECK_THROWS_AS(Columns({}, 1, 5), ValueError);
}

TEST_CASE("sequences of the long-memory tasks", "[tasks]") {
  const MemoryTask adding{"adding", 20};
  const std::vector<std::size_t> numbers{3, 4};
  const MemoryBatch batch = adding.batch(numbers, 1);
  REQUIRE(batch.inputs.shape() == Shape{20, 2, 2});
  for (std::size_t b = 0; b < 2; ++b) {
    float sum = 0, marks = 0;
    for (std::size_t t = 0; t < 20; ++t) {
      const float mark = batch.inputs.data<float>()[(t * 2 + b) * 2 + 1];
      sum += mark * batch.inputs.data<float>()[(t * 2 + b) * 2];
      marks += mark;
    }
    CHECK(marks == 2);
    CHECK(batch.targets.data<float>()[b] == sum);
  }
  CHECK(floats(adding.batch({numbers.data() + 1, 1}, 1).targets)[0] == floats(batch.targets)[1]);
  const MemoryBatch line = adding.of_line("0.5* 1 0.25*");
  CHECK(floats(line.targets) == std::vector<float>{0.75});
  CHECK(line.inputs.shape() == Shape{20, 1, 2});
  CHECK(line.inputs.data<float>()[19 * 2] == 0.25F);
  CHECK_THROWS_AS(adding.of_line("0.5* 1"), ValueError);
  CHECK_THROWS_AS(adding.of_line("* 1*"), ValueError);

  const MemoryTask copy{"copy", 5};
  const MemoryBatch copied = copy.of_line("0 1 2 3 4 5 6 7 0 1");
  CHECK(copied.inputs.shape() == Shape{25, 1, 10});
  CHECK(copied.inputs.data<float>()[14 * 10 + 9] == 1);  // "now repeat"
  CHECK_THROWS_AS(copy.of_line("1 2 3"), ValueError);
  CHECK_THROWS_AS(copy.of_line("0 1 2 3 4 5 6 7 0 8"), ValueError);
  CHECK_THROWS_AS((MemoryTask{"sorting", 5}.check()), ValueError);
}

}  // namespace unroll::tasks
