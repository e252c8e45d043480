#pragma once

// Marks the symbols that the shared library exports; all others are hidden.
#ifdef __cplusplus
#define BLKREWIND_API [[gnu::visibility("default")]]
#else
#define BLKREWIND_API __attribute__((visibility("default")))
#endif
