#pragma once

// Marks the symbols that the shared library exports; all others are hidden.
#define BLKREWIND_API [[gnu::visibility("default")]]
