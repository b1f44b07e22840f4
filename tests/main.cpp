// The test binary's main, the same for Catch2 versions 2 and 3.
#define CATCH_CONFIG_RUNNER  // read by version 2 only
#include <unroll/tests/support/catch.h>

// More than any machine has is to be refused; AddressSanitizer would end the program.
extern "C" const char* __asan_default_options();  // NOLINT(bugprone-reserved-identifier)
extern "C" const char* __asan_default_options() { return "allocator_may_return_null=1"; }

int main(int argc, char** argv) { return Catch::Session().run(argc, argv); }
