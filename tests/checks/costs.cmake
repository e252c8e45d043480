# In what order ctest begins the tests: what takes long first, so that all processors have work to the end.
# Every test takes one processor. What holds the loop lock comes before everything, since it is one long
# row of tests; the rest, of less than seconds each, fills up.
set(BLKREWIND_COST_LOOP 4000)
set(BLKREWIND_COST_SUITE 3000)  # minutes
set(BLKREWIND_COST_LAB 2000)    # minutes, fewer
set(BLKREWIND_COST_LONG 1000)   # a minute, or a good part of one
