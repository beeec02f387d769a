// What is said of a failure in a user's program over blocks, in objects and by the runtime: C and
// C++.
#pragma once

#include <stdint.h>

// A text that ends before `end`, with room for its zero.
struct weft_text {
  char *next, *end;
};

static inline void weft_text_add_part(struct weft_text *text, const char *begin, const char *end) {
  for (; begin != end && text->next != text->end; ++begin)
    *text->next++ = *begin;
  *text->next = 0;
}

static inline void weft_text_add(struct weft_text *text, const char *added) {
  const char *end = added;
  while (*end)
    ++end;
  weft_text_add_part(text, added, end);
}

static inline void weft_text_add_number(struct weft_text *text, int64_t number) {
  char digits[21];
  char *first = digits + 20;
  uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;
  *first = 0;
  do
    *--first = (char)('0' + rest % 10);
  while ((rest /= 10) != 0);
  if (number < 0)
    *--first = '-';
  weft_text_add(text, first);
}

// `site` is the program's name and, on a line of its own, where and what it does. An index along a
// dimension that has `size` elements does not exist; or, with a dimension of -1, programs number
// `index` and `size` store to one element. With one of -2 the line is all that there is to say.
static inline void weft_describe_failure(struct weft_text *text, const char *site,
                                         int64_t dimension, int64_t index, int64_t size) {
  const char *line = site;
  while (*line && *line != '\n')
    ++line;
  weft_text_add(text, *line ? line + 1 : line);
  if (dimension == -2)
    return;
  weft_text_add(text, " in kernel ");
  weft_text_add_part(text, site, line);
  if (dimension < 0) {
    weft_text_add(text, ": programs ");
    weft_text_add_number(text, index < size ? index : size);
    weft_text_add(text, " and ");
    weft_text_add_number(text, index < size ? size : index);
    weft_text_add(text,
                  " of the grid, counted row after row, store to one element; give each element "
                  "one program");
    return;
  }
  weft_text_add(text, ": index ");
  weft_text_add_number(text, index);
  weft_text_add(text, " of dimension ");
  weft_text_add_number(text, dimension);
  weft_text_add(text, ", which has ");
  weft_text_add_number(text, size);
  weft_text_add(text, " elements; leave it out by a mask");
}
