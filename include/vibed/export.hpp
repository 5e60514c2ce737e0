// Marks what libvibed lets other programs see; everything else is hidden.
#pragma once

#define VIBED_EXPORT __attribute__((visibility("default")))
