#pragma once

// Marks what the shared library shows to the world; everything else in it is hidden.
#define BLKREWIND_API [[gnu::visibility("default")]]
