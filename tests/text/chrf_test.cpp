#include <unroll/text/chrf.h>

#include <unroll/autograd/error.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/text/metric_cases.h>

using namespace unroll;
using namespace unroll::text;

TEST_CASE("corpus_chrf gives the figures of sacreBLEU") {
  const auto cases = metric_cases();
  REQUIRE(cases.size() >= 30);
  for (const MetricCase& c : cases) {
    INFO(c.name);
    const double expected = c.expected.at("chrf");
    CHECK(corpus_chrf(c.hypotheses, c.references) == Approx(expected).margin(1e-9));
  }
}

TEST_CASE("corpus_chrf worked by hand") {
  // Orders 1 and 2 of "ab" against "abc": P = (1 + 1) / 2, R = (2/3 + 1/2) / 2.
  const double recall = (2.0 / 3 + 1.0 / 2) / 2;
  CHECK(corpus_chrf({"a b"}, {"abc"}) == Approx(100 * 5 * recall / (4 + recall)).margin(1e-9));
}

TEST_CASE("corpus_chrf counts code points and keeps case") {
  CHECK(corpus_chrf({"\u00E9"}, {"\u00E8"}) == 0);
  CHECK(corpus_chrf({"a"}, {"A"}) == 0);
  CHECK(corpus_chrf({"\xFF"}, {"\xEF\xBF\xBD"}) == Approx(100.0));
}

TEST_CASE("corpus_chrf refuses lists that do not fit") {
  CHECK_THROWS_AS(corpus_chrf({}, {}), ValueError);
  CHECK_THROWS_AS(corpus_chrf({"a"}, {}), ValueError);
}
