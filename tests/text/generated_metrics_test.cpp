// BLEU and chrF of generated corpora: the figures of sacreBLEU, see make_metric_cases.py.
#include <unroll/text/bleu.h>
#include <unroll/text/chrf.h>

#include <unroll/tests/support/catch.h>
#include <unroll/tests/text/metric_cases.h>

using namespace unroll::text;

TEST_CASE("BLEU and chrF give the figures of sacreBLEU for 200 generated corpora") {
  const auto cases = generated_cases();
  CHECK(cases.size() == 200);
  for (const MetricCase& c : cases) {
    INFO(c.name);
    const std::vector<double> expected = c.expected;
    REQUIRE(expected.size() == 2 * kBleuOrder + 4);
    const BleuScore bleu = corpus_bleu(c.hypotheses, c.references);
    CHECK(bleu.score == Approx(expected.front()).margin(1e-9));
    for (std::size_t n = 0; n < kBleuOrder; ++n) {
      CHECK(double(bleu.matches[n]) == expected[1 + n]);
      CHECK(double(bleu.totals[n]) == expected[1 + kBleuOrder + n]);
    }
    CHECK(double(bleu.hypothesis_length) == expected[1 + 2 * kBleuOrder]);
    CHECK(double(bleu.reference_length) == expected[2 + 2 * kBleuOrder]);
    CHECK(corpus_chrf(c.hypotheses, c.references) == Approx(expected.back()).margin(1e-9));
  }
}
