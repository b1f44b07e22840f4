// Lines of standard input and their answers; numbers in a line.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace unroll::tasks {

/// Prints the answer to each line of standard input as a line. What is wrong with one, what
/// `answer` throws above all, is said on standard error with its number, its answer is an empty
/// line, and the next lines have theirs. Throws ValueError at the end if there was such a line.
/// Wrong are also lines of more than 4096 bytes, and text that is not UTF-8.
void answer_lines(const std::function<std::string(const std::string& line)>& answer);
/// Lines of nothing but white space are wrong as well; `expected` says what should be there.
void answer_lines(const std::string& expected,
                  const std::function<std::string(const std::string& line)>& answer);

/// The numbers of a line, with spaces, tabs or a comma between them. Throws ValueError for what is
/// no finite number.
std::vector<float> numbers_of(std::string_view text);
/// The same; throws ValueError unless there are `count`.
std::vector<float> numbers_of(std::string_view text, std::size_t count);

}  // namespace unroll::tasks
